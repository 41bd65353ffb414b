"""What runs is what was proved: runs of the layer held against its exported graph and against each other.

A proof is about the graph that ``torch.export`` saw. Here the layer runs in eager mode and must do the same
operations on the same tensors; then in other states, at other sizes and compiled. These are tests: what is
not among the states and sizes of their scope was not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import prod
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from symeq.interpretation.forms import Unproved
from symeq.interpretation.recording import (
    Calls,
    called,
    compiled,
    dispatched,
    first_difference,
)
from symeq.interpretation.tracing import CHANNELS, Program, Role, exported
from symeq.verification.cases import Case, Mismatch, Rung, raised
from symeq.verification.integers import integers_of
from symeq.verification.load import in_one_line
from symeq.verification.proofs import ProofCase, Proofs
from symeq.verification.states import COMPILING, EXPORTING, STATES, TRAINED, USUAL, State
from symeq.verification.trial import CODES, Code, Sorts, Trial, has_two_ways, take_way, taken, way_of

Sizes: TypeAlias = "Mapping[str, int]"
_Run: TypeAlias = "tuple[Calls, Any]"

LADDER = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 17, 20, 32, 33, 50, 64, 65, 100, 128, 255, 256, 257, 512, 600,
          1000, 1024, 1025, 4096, 10_000, 65_536, 1_000_000)  # fmt: skip
"""Sizes at which eager runs are held against the exported graph, on tensors without memory."""

MOST_LITERALS = 40  # integers of the source whose neighbourhoods are added to the ladder
_ENTRIES = 2**60  # more entries than a tensor can have
_CHANNELS = ((1, 1), (1, 3), (2, 1), (2, 2), (3, 2), (8, 9), (16, 16), (33, 5), (64, 64), (128, 7))
_MANY = ((64, 64), (128, 128), (256, 256))  # with which a layer may sort entries, in compiled code or always
_MOST_WEIGHTS = 2**25  # entries of a weight whose channels are tried
_FEW_WEIGHTS = 2**22  # up to so many, integers of the source are tried, and as compiled what may be sorted
_BATCHES = ((1,), (3,), (5,), (8,), (64,), (2, 1, 2), (1, 2, 1, 3))


@dataclass
class _Call:
    """A layer, what it is called with, and the names of the tensors."""

    layer: nn.Module
    x: Tensor
    masks: dict[str, Tensor] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    one_set: bool = True

    def __call__(self) -> Any:
        return self.of(self.layer)

    def of(self, layer: Any) -> Any:
        """The same call of another layer."""
        options: dict[str, Any] = {}
        if self.masks:
            options["mask"] = next(iter(self.masks.values())) if self.one_set else dict(self.masks)
        if self.sizes:
            options["sizes"] = dict(self.sizes)
        return layer(self.x, **options)

    @property
    def known(self) -> dict[str, Tensor]:
        """The tensors that go in, by name."""
        masks = {f"mask of {name}": mask for name, mask in self.masks.items()}
        return {"x": self.x, **dict(self.layer.named_parameters()), **masks}

    @property
    def roles(self) -> dict[Role, Tensor]:
        """The tensors that go in, by what they are in a program."""
        found: dict[Role, Tensor] = {("x", None): self.x}
        found |= {("parameter", name): parameter for name, parameter in self.layer.named_parameters()}
        found |= {("mask", name): mask for name, mask in self.masks.items()}
        return found | {("probe", name): torch.empty(size) for name, size in self.sizes.items()}


class Runs:
    """The runs of one layer."""

    def __init__(self, trial: Trial, proofs: Proofs) -> None:
        self.trial = trial
        self.signature = trial.signature
        self.proofs = proofs
        self._whole = proofs.reach == "every"

    def layer(
        self, case: ProofCase, dtype: torch.dtype = torch.float64, channels: tuple[int, int] = CHANNELS
    ) -> nn.Module:
        """A layer with the options of a case."""
        return self.trial.new(Case(case.basis, {}, case.normalization, case.bias), dtype, channels)

    def call(
        self,
        case: ProofCase,
        sizes: Sizes,
        batch: Sequence[int],
        state: State = USUAL,
        channels: tuple[int, int] = CHANNELS,
        layer: nn.Module | None = None,
    ) -> _Call:
        """A layer with the options of a case (or the one given), and arguments of these sizes."""
        layer = layer or self.layer(case, state.dtype, channels)
        state.prepare(layer)
        nodes = [sizes[name] for name in self.signature.inputs]
        first = self.trial.subject.layout == "channels-first"
        shape = (*batch, channels[0], *nodes) if first else (*batch, *nodes, channels[0])
        x = torch.ones(shape, dtype=state.dtype)
        if state.strided and x.dim() > 1:
            x = torch.ones(shape[::-1], dtype=state.dtype).permute(*reversed(range(len(shape))))
        x.requires_grad_(state.gradient)
        masks = {
            name: torch.ones(*(batch if kind == "own" else ()), sizes[name], dtype=torch.bool)
            for name, kind in case.masks
        }
        missing = {
            name: sizes[name] for name in self.signature.index_sets if name not in self.signature.inputs
        }
        return _Call(layer, x, masks, missing, len(self.signature.index_sets) == 1)

    def usual_sizes(self, n: int = 3, apart: bool = True) -> dict[str, int]:
        """Sizes from n on, different for different index sets unless told otherwise."""
        return {name: n + at * apart for at, name in enumerate(self.signature.index_sets)}

    def round_sizes(self) -> dict[str, int]:
        """Sizes whose inverses and their roots have no rounding error in any dtype."""
        return {name: (4, 16)[at % 2] for at, name in enumerate(self.signature.index_sets)}

    # ------------------------------------------------------------ eager as exported

    def try_eager(self, case: ProofCase) -> None:
        """Hold an eager run against the graph that was proved."""
        program = self._proved(case)
        call = self.call(case, self.usual_sizes(), (2, 4)[: case.rank])
        self._same(str(case), call, program)

    def try_sizes(self, case: ProofCase) -> None:
        """The same at many sizes, on tensors without memory."""
        program, layer = self._proved(case), self.layer(case)
        for sizes in self.ladder(self._whole and case.normalization == "mean"):
            with FakeTensorMode(allow_non_fake_inputs=True):
                call = self.call(case, sizes, (2,) * case.rank, layer=layer)
                self._same(f"{case}, {_sizes_in_words(sizes)}", call, program)

    def _proved(self, case: ProofCase) -> Program:
        program = self.proofs.programs.get(case)
        if program is None:
            raise Mismatch(f"{case}\nthere is no proved graph to compare with")
        return program

    def ladder(self, whole: bool = True) -> list[dict[str, int]]:
        """Sizes: a ladder, or few of it, and those around each integer in the source; apart and all equal."""
        # The small integers of a source are slots and axes; every layer is tried around them where ``whole``.
        integers = integers_of(self.trial.subject.source, slots=whole)
        literals = [n for n in integers if whole or n >= 20][:MOST_LITERALS]
        numbers = {*(LADDER if whole else LADDER[::8]), *(n + d for n in literals for d in (-1, 0, 1))}
        order = max(self.signature.order_in, self.signature.order_out)
        found = []
        for n in sorted(n for n in numbers if n >= 2):
            for apart in (True, False) if len(self.signature.index_sets) > 1 else (True,):
                if (n + len(self.signature.index_sets)) ** order * prod(CHANNELS) * 4 < _ENTRIES:
                    found.append(self.usual_sizes(n, apart))
        return found or [{}]

    def _same(self, words: str, call: _Call, program: Program) -> None:
        known = call.known
        try:
            eager = dispatched(call, known)
        except Exception as error:
            raise raised(f"{words}\nforward", error) from error
        roles = call.roles
        difference = first_difference(dispatched(lambda: program.run(roles), known), eager)
        if difference is not None:
            raise Mismatch(f"{words}\nin eager mode it is not the exported graph: {difference}")

    # ------------------------------------------------------------ states

    def _usual(self, case: ProofCase, run: Callable[[nn.Module], _Run]) -> dict[Code, _Run]:
        """The run of a layer that computes as those of the trial do in eager and in compiled code."""
        ways = {code: self.trial.way(code) for code in CODES}
        found = {way: run(take_way(self.layer(case), way)) for way in dict.fromkeys(ways.values())}
        return {code: found[way] for code, way in ways.items()}

    def try_states(self, case: ProofCase) -> None:
        """Hold runs in all states against the usual one."""
        sizes, batch = self.usual_sizes(), (2,) * case.rank
        base = self._usual(
            case, lambda layer: self._called(case, self.call(case, sizes, batch, layer=layer), USUAL)
        )
        for state in (USUAL, *STATES):
            found = self._called(case, self.call(case, sizes, batch, state), state)
            self._alike(case, state.name, base[state.code], found)

    def try_gradients(self, case: ProofCase, states: Sequence[State] = TRAINED) -> None:
        """Hold the operations of forward and backward pass in some states against the usual ones."""
        sizes, batch = self.round_sizes(), (2,) * case.rank
        base = self._usual(case, lambda layer: self._differentiated(case, sizes, batch, USUAL, layer))
        for state in states:
            found = self._differentiated(case, sizes, batch, state)
            self._alike(case, state.name, base[state.code], found)

    def _differentiated(
        self,
        case: ProofCase,
        sizes: Sizes,
        batch: Sequence[int],
        state: State,
        layer: nn.Module | None = None,
    ) -> _Run:
        call = self.call(case, sizes, batch, state, layer=layer)
        call.x.requires_grad_()
        inputs = [call.x, *call.layer.parameters()]
        try:
            with state.around():
                cotangent = torch.ones_like(call())

            def run() -> Any:
                with state.around():
                    y = call()
                return y, *torch.autograd.grad(y, inputs, cotangent, allow_unused=True)

            return dispatched(run, {**call.known, "g": cotangent})
        except Exception as error:
            raise raised(f"{case}\n{state.name}: forward and backward", error) from error

    def try_shapes(self, case: ProofCase) -> None:
        """Hold runs with other channels and batches against the usual one, integers left out."""
        sizes, batch = self.usual_sizes(), (2,) * case.rank
        bases: dict[Sorts, _Run] = {}

        def base(way: Sorts) -> _Run:
            if way not in bases:
                usual = self.call(case, sizes, batch, layer=take_way(self.layer(case), way))
                bases[way] = self._called(case, usual, USUAL, integers=False, casts=True)
            return bases[way]

        for channels in chain(*self._channels()):
            layer = self._as_made(case, channels)
            for state in (USUAL, COMPILING) if self._also_compiled(channels) else (USUAL,):
                way = taken(way_of(layer) or "never", state.code)  # each has proofs of its own
                call = self.call(case, sizes, batch, state, channels, layer)
                words = f"{channels[0]} -> {channels[1]} channels, {state.name}"
                found = self._called(case, call, state, integers=False, casts=True)
                self._alike(case, words, base(way), found)
        for shape in _BATCHES if case.rank else ():
            call = self.call(case, sizes, shape)
            found = self._called(case, call, USUAL, integers=False, casts=True)
            self._alike(case, f"a batch of {shape}", base(self.trial.way("eager")), found)

    def _channels(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Channel counts to be tried: usual ones, and integers of the source beside 2."""
        if self.trial.sorts != "never":
            return [], []  # layers as they are made, whichever way they take, were tried before
        slots = len(self.trial.dense)
        light = slots * 512 * 4 < 2**22
        usual = [c for c in _CHANNELS if light or max(c) <= 16]
        many = _MANY if has_two_ways(self.trial.subject) else ()
        literals = [n for n in integers_of(self.trial.subject.source) if n <= 512][:MOST_LITERALS]
        wide = [(n, 2) for n in literals] + [(2, n) for n in literals] + [(n, n) for n in literals if many]
        return (
            [c for c in dict.fromkeys((*usual, *many)) if slots * c[0] * c[1] <= _MOST_WEIGHTS],
            [c for c in wide if slots * c[0] * c[1] <= _FEW_WEIGHTS] if light else [],
        )

    def _also_compiled(self, channels: tuple[int, int]) -> bool:
        """Whether a layer with these channels runs while torch compiles, too."""
        return channels in _MANY and len(self.trial.dense) * prod(channels) <= _FEW_WEIGHTS

    def _as_made(self, case: ProofCase, channels: tuple[int, int]) -> nn.Module:
        """A layer that takes the way that it chooses itself."""
        usual = Case(case.basis, {}, case.normalization, case.bias)
        return self.trial.new(usual, torch.float64, channels, as_made=True)

    def _alike(self, case: ProofCase, words: str, base: _Run, found: _Run) -> None:
        difference = first_difference(base, found)
        if difference is not None:
            raise Mismatch(f"{case}\n{words}: {difference}")

    def _called(
        self, case: ProofCase, call: _Call, state: State, integers: bool = True, casts: bool = False
    ) -> _Run:
        try:
            with state.around():
                for _ in range(state.calls - 1):
                    call()
                return called(call, call.known, integers, casts)
        except Unproved as found:
            raise Mismatch(f"{case}\n{state.name}: {found}") from None
        except Exception as error:
            raise raised(f"{case}\n{state.name}: forward", error) from error

    # ------------------------------------------------------------ compiled

    def try_compiled(self, case: ProofCase) -> None:
        """Hold the graph that ``torch.compile`` makes against an eager run."""
        call = self._call_as_compiled(case)
        eager = dispatched(call, call.known)
        layer = take_way(call.layer, self.trial.sorts)
        try:
            found = compiled(layer, call.of, call.known)
        except Exception as error:
            raise Mismatch(f"{case}\nit cannot be compiled as one graph: {in_one_line(error)}") from None
        self._alike(case, "compiled, it is not what it is in eager mode", eager, found)

    def try_exported(self, case: ProofCase) -> None:
        """Hold the graph that ``torch.export`` makes against an eager run."""
        call = self._call_as_compiled(case)
        eager = dispatched(call, call.known)
        try:
            program = exported(self.layer(case), self.proofs.setting(case), self.trial.subject.layout)
        except Unproved as error:
            raise Mismatch(f"{case}\n{error}") from None
        roles = call.roles
        found = dispatched(lambda: program.run(roles), call.known)
        self._alike(case, "exported, it is not what it is in eager mode", eager, found)

    def _call_as_compiled(self, case: ProofCase) -> _Call:
        """A layer that computes in eager mode as those of the trial do in compiled code."""
        layer = take_way(self.layer(case), self.trial.way("compiled"))
        return self.call(case, self.usual_sizes(), (2,) * case.rank, layer=layer)

    # ------------------------------------------------------------ the checks

    def among_themselves(self) -> Iterator[Rung]:
        """Runs held against each other."""
        single = [case for case in self.proofs.forward_cases() if case.rank == 1]
        sizes = _sizes_in_words(self.usual_sizes())
        yield Rung(
            "states",
            f"the same calls, casts left out: {', '.join(state.name for state in STATES)}; {sizes}",
            single,
            lambda case, _: self.try_states(case),
        )
        backward = ", ".join(state.name for state in TRAINED if state is not USUAL)
        yield Rung(
            "gradients in these states",
            f"the same operations of forward and backward pass, casts left out: {backward}; "
            f"{_sizes_in_words(self.round_sizes())}",
            [case for case in single if case.bias],
            lambda case, _: self.try_gradients(case),
        )
        usual, wide = self._channels()
        others = [f"batches of {', '.join(map(str, _BATCHES))}"]
        if wide:
            alike = " or as many" if has_two_ways(self.trial.subject) else ""
            others.insert(0, f"for integers of the source as channels beside 2{alike}")
        if usual:
            many = ", ".join(f"{a} -> {b}" for a, b in usual if self._also_compiled((a, b)))
            also = f" (of {many} also {COMPILING.name})" if many else ""
            others.insert(0, ", ".join(f"{a} -> {b}" for a, b in usual) + f" channels{also}")
        yield Rung(
            "channels and batches",
            f"the same calls, casts among them, for {', '.join(others)}",
            [case for case in single if case.bias and all(kind == "own" for _, kind in case.masks)],
            lambda case, _: self.try_shapes(case),
        )

    def as_proved(self) -> Iterator[Rung]:
        """Runs held against the exported graphs, which must have been proved by then."""
        forward = self.proofs.forward_cases()
        plain = [case for case in forward if case.rank == 1 and case.bias]
        mean = [case for case in plain if case.normalization == "mean"]
        sizes = _sizes_in_words(self.usual_sizes())
        yield Rung(
            "eager as exported",
            f"the same operations as the exported graph, for every setting of its proof; {sizes}",
            forward,
            lambda case, _: self.try_eager(case),
        )
        ladder = self.ladder(self._whole)
        integers = "all integers" if self._whole else "all integers from 20 on, but for slots,"
        if ladder != [{}]:
            yield Rung(
                "sizes as exported",
                f"the same operations at {len(ladder)} sizes from {_sizes_in_words(ladder[0])} to "
                f"{_sizes_in_words(ladder[-1])}, among them {integers} of the source; batch rank 1",
                plain if self._whole else mean if self.trial.sorts == "never" else mean[-1:],
                lambda case, _: self.try_sizes(case),
            )
        if not self.trial.heavy:
            yield Rung(
                "compiled as eager",
                f'one graph with the same operations, for dynamic sizes; normalization "mean"; {sizes}',
                mean if self._whole else mean[-1:],
                lambda case, _: self.try_compiled(case),
            )

    def as_other_ways(self, proofs: Proofs) -> Iterator[Rung]:
        """Runs held against those of the other two ways, where proofs of this one would be the same again.

        ``proofs``: those of the way that is taken in eager code.
        """
        yield Rung(
            "options",
            "the same operations of forward and backward pass, casts left out, eager, while torch compiles "
            "and while it exports, for every setting of the proof of eager code; "
            f"{_sizes_in_words(self.round_sizes())}",
            proofs.forward_cases(),
            lambda case, _: self.try_gradients(case, (USUAL, COMPILING, EXPORTING)),
        )
        if not self.trial.heavy:
            yield Rung(
                "exported as eager",
                f"the same operations, for dynamic sizes; {_sizes_in_words(self.usual_sizes())}",
                self.proofs.forward_cases()[-1:],
                lambda case, _: self.try_exported(case),
            )


def _sizes_in_words(sizes: Sizes) -> str:
    return ", ".join(f"{name} = {size}" for name, size in sizes.items()) or "no index sets"
