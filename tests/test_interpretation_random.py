"""Random programs, read as formal sums and run: whatever is read must be what is computed.

A program is drawn step by step. A step is tried on small tensors of distinct sizes and kept if torch takes
it, so that the steps need not make sense: it is for the interpreter to refuse them.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dense_forms import dense
from symeq.interpretation.claims import _read
from symeq.interpretation.forms import Unproved
from symeq.interpretation.tracing import CHANNELS, exported
from symeq.interpretation.values import Setting, Value
from symeq.signature import Signature

DRAWN = {"b": 5, "n": 4}  # sizes while a program is drawn: distinct, also from channels and slots
STEPS, FEWEST = 7, 2
Step = Callable[[list[Tensor], dict[str, Any]], Tensor | None]


class Program(nn.Module):
    """Steps on a growing list of tensors, the last of which is the result."""

    def __init__(self, slots: int, steps: Sequence[Step]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(slots, *CHANNELS, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(2, CHANNELS[1], dtype=torch.float64))
        self.steps = list(steps)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The result; x: (b, n, n, in), mask: (b, n)."""
        tensors = [x, self.weight, self.bias]
        sizes = {"b": x.shape[0], "n": x.shape[1]}
        if mask is not None:
            tensors += [x.masked_fill(~(mask[:, :, None, None] & mask[:, None, :, None]), 0), mask]
        for step in self.steps:
            made = step(tensors, sizes)
            if made is not None:
                tensors.append(made)
        return tensors[-1] * 1


# ---------------------------------------------------------------- drawing steps


class Draw:
    """Random choices; a tensor is chosen by its place in the list, recent ones more often."""

    def __init__(self, rng: np.random.Generator, tensors: list[Tensor], masked: bool) -> None:
        self.rng = rng
        self.tensors = tensors
        self.masked = masked

    def one_of(self, things: Sequence[Any]) -> Any:
        """One of these."""
        return things[int(self.rng.integers(len(things)))]

    def tensor(self) -> int:
        """The place of a tensor."""
        start = 3 if self.masked and self.rng.random() < 0.95 else 0
        if self.rng.random() < 0.6:
            start = max(start, len(self.tensors) - 2)
        return int(self.rng.integers(start, len(self.tensors)))

    def dim(self, at: int) -> int:
        """A dimension of it."""
        rank = self.tensors[at].dim()
        return int(self.rng.integers(-rank, rank))

    def number_dim(self, at: int) -> int:
        """Most often a dimension whose size is the same for all sizes."""
        shape = self.tensors[at].shape
        found = [dim for dim, size in enumerate(shape) if size not in DRAWN.values()]
        return self.one_of(found) if found and self.rng.random() < 0.95 else self.dim(at)

    def size(self) -> Any:
        """A size, by its name or as a number."""
        return self.one_of(["n", "n", "n", "b", 1, 2, 3, 4])

    def sizes(self, low: int = 1, high: int = 3) -> list[Any]:
        """A few sizes."""
        return [self.size() for _ in range(int(self.rng.integers(low, high + 1)))]

    def number(self) -> float:
        """A number."""
        return float(self.one_of([2, 3, -1, 0.5, 0.25, 0]))


def worked(size: Any, sizes: dict[str, Any]) -> Any:
    """A size, given by its name or as a number."""
    return sizes[size] if isinstance(size, str) else size


def view_step(draw: Draw, at: int) -> Callable[[Tensor, dict[str, Any]], Tensor]:
    """A view of tensor ``at``."""
    rank = draw.tensors[at].dim()
    if not rank:
        return lambda t, s: t.unsqueeze(0)
    a, b, c = draw.dim(at), draw.dim(at), draw.number_dim(at)
    start, stop, step = (int(draw.rng.integers(lo, hi)) for lo, hi in ((-2, 3), (-1, 4), (1, 3)))
    order = draw.rng.permutation(rank).tolist()
    size = draw.size()
    offset = int(draw.rng.random() < 0.05)
    lead = draw.sizes(0, 1)
    return draw.one_of(
        [
            lambda t, s: t.permute(order),
            lambda t, s: t.transpose(a, b),
            lambda t, s: t.movedim(a, b),
            lambda t, s: t.unsqueeze(a),
            lambda t, s: t.squeeze(a),
            lambda t, s: t.diagonal(offset, a, b),
            lambda t, s: t.diagonal(dim1=-3, dim2=-2),
            lambda t, s: t.narrow(c, max(start, 0), 1),
            lambda t, s: t.select(c, start),
            lambda t, s: t.movedim(c, 0)[start:stop:step],
            lambda t, s: t.movedim(c, 0)[start:stop],
            lambda t, s: t.movedim(c, 0)[start],
            lambda t, s: t.chunk(2, c)[-1],
            lambda t, s: t.unbind(c)[start],
            lambda t, s: t.split(2, c)[0],
            lambda t, s: t.flatten(min(a % rank, b % rank), max(a % rank, b % rank)),
            lambda t, s: t.unflatten(c, (-1, max(stop, 1))),
            lambda t, s: t.unsqueeze(a).expand(*[worked(size, s) if d == a % (rank + 1) else -1
                                                 for d in range(rank + 1)]),
            lambda t, s: t.expand(*[worked(q, s) for q in lead], *t.shape),
            lambda t, s: t.reshape(*t.shape[:1], -1, t.shape[-1]),
            lambda t, s: t.detach(),
        ]
    )  # fmt: skip


def new_step(draw: Draw) -> Step:
    """A tensor that depends on nothing."""
    shape, fill = draw.sizes(), draw.number()
    dtype = draw.one_of([torch.float64] * 15 + [torch.float32, torch.int64, torch.bool])

    def worked_shape(s: dict[str, Any]) -> list[Any]:
        return [worked(q, s) for q in shape]

    return draw.one_of(
        [
            lambda t, s: torch.zeros(worked_shape(s), dtype=dtype),
            lambda t, s: torch.ones(worked_shape(s), dtype=dtype),
            lambda t, s: torch.full(worked_shape(s), fill, dtype=dtype),
            lambda t, s: torch.eye(s["n"], dtype=dtype),
            lambda t, s: torch.tensor([[1.0, 2.0], [fill, -1.0]], dtype=dtype),
        ]
    )


def sum_step(draw: Draw, at: int) -> Step:
    """A sum or mean."""
    rank = max(draw.tensors[at].dim(), 1)
    shape = draw.tensors[at].shape
    dims = draw.rng.permutation(rank)[: int(draw.rng.integers(1, 3))].tolist()
    dims = [d for d in dims if not shape or shape[d] not in CHANNELS or draw.rng.random() < 0.2]
    keep, mean = bool(draw.rng.random() < 0.4), draw.rng.random() < 0.3
    dtype = draw.one_of([None] * 15 + [torch.float64, torch.bool, torch.float32])
    if mean:
        return lambda t, s: t[at].mean(dims, keep)
    if draw.rng.random() < 0.1:
        return lambda t, s: t[at].sum()
    return lambda t, s: t[at].sum(dims, keep, dtype=dtype)


def scalar_step(draw: Draw, at: int) -> Step:
    """A tensor and a number."""
    number = draw.number()
    return draw.one_of(
        [
            lambda t, s: t[at] * number,
            lambda t, s: t[at] + number,
            lambda t, s: number - t[at],
            lambda t, s: -t[at],
            lambda t, s: t[at] * s["n"],
            lambda t, s: t[at] / s["n"],
            lambda t, s: t[at] * s["n"] ** -0.5,
            lambda t, s: t[at] * (s["n"] * s["b"] // s["n"]),
            lambda t, s: t[at] / max(s["n"], 1),
            lambda t, s: t[at] * ((s["n"] + 2) * 0.5),
            lambda t, s: t[at] / 3,
            lambda t, s: t[at] * torch.tensor(s["n"]),
            lambda t, s: t[at] / torch.full((), s["n"], dtype=torch.float64) ** 0.5,
        ]
    )


def einsum_step(draw: Draw, at: int, other: int) -> Step:
    """A random einsum of one or two tensors."""
    letters = string.ascii_letters
    of_size: dict[int, list[str]] = {}
    count = 0

    def spelled(place: int) -> str:
        nonlocal count
        word = ""
        for size in draw.tensors[place].shape:
            known = of_size.setdefault(size, [])
            if not known or draw.rng.random() < 0.4:
                known.append(letters[(count * 7) % 52])
                count += 1
            word += draw.one_of(known)
        return word

    words = [spelled(place) for place in ((at,) if draw.rng.random() < 0.4 else (at, other))]
    places = [at, other][: len(words)]
    kept = [x for x in dict.fromkeys("".join(words)) if draw.rng.random() < 0.6]
    output = "".join(draw.one_of([kept, kept[::-1]]))
    if draw.rng.random() < 0.3:
        words = [f"...{word[1:]}" if word else word for word in words]
        output = "..." + "".join(x for x in output if any(x in word for word in words))
    text = ",".join(words) + (f"->{output}" if draw.rng.random() < 0.9 else "")
    return lambda t, s: torch.einsum(text, *[t[p] for p in places])


def pair_step(draw: Draw, at: int) -> Step:
    """Two tensors."""
    other = draw.tensor()
    alpha = draw.number()
    spread = int(draw.rng.integers(0, 3))
    dim = draw.dim(at) if draw.tensors[at].dim() else 0

    def opened(tensor: Tensor) -> Tensor:
        return tensor[..., None, :] if spread == 1 and tensor.dim() else tensor

    return draw.one_of(
        [
            lambda t, s: t[at] + opened(t[other]),
            lambda t, s: t[at] - opened(t[other]),
            lambda t, s: torch.add(t[at], t[other], alpha=alpha),
            lambda t, s: torch.rsub(t[at], t[other], alpha=alpha),
            lambda t, s: t[at] * opened(t[other]),
            lambda t, s: t[at] * t[1][0],
            lambda t, s: t[at] @ t[1][1],
            lambda t, s: t[at] @ t[1],
            lambda t, s: t[at] @ t[other],
            lambda t, s: torch.cat([t[at], t[other]], dim),
            lambda t, s: torch.stack([t[at], t[other]], dim),
            lambda t, s: torch.cat([t[at], torch.zeros_like(t[at])], -1),
            einsum_step(draw, at, other),
            einsum_step(draw, at, 1),
        ]
    )


def gather_step(draw: Draw, at: int) -> Step:
    """Entries looked up, put elsewhere, copied."""
    if not draw.tensors[at].dim():
        return lambda t, s: t[at].repeat(2)
    dim, other = draw.number_dim(at), draw.tensor()
    length = draw.tensors[at].shape[dim]
    rows = draw.rng.integers(0, min(length, 4), size=int(draw.rng.integers(1, 4))).tolist()
    alpha, size = draw.number(), draw.size()
    start = int(draw.rng.integers(0, 2))
    return draw.one_of(
        [
            lambda t, s: t[at].index_select(dim, torch.tensor(rows)),
            lambda t, s: t[at][torch.tensor(rows)],
            lambda t, s: t[at].index_add(
                dim, torch.tensor(rows), t[at].index_select(dim, torch.tensor(rows)), alpha=alpha
            ),
            lambda t, s: torch.diag_embed(t[at]),
            lambda t, s: torch.diag_embed(t[at], 0, 0, -1),
            lambda t, s: t[at].unsqueeze(dim).repeat(*[1] * (dim % (t[at].dim() + 1)), worked(size, s),
                                                     *[1] * (t[at].dim() - dim % (t[at].dim() + 1))),
            lambda t, s: torch.select_scatter(t[at], t[at].select(dim, 1 - start) * 2, dim, start),
            lambda t, s: torch.slice_scatter(t[at], t[at].narrow(dim, 1 - start, 1), dim, start, start + 1),
            lambda t, s: torch.diagonal_scatter(t[at], t[other], 0, -3, -2),
        ]
    )  # fmt: skip


def write_step(draw: Draw, at: int) -> Step:
    """A write through a view of a copy; the copy, or another view of it, is the result."""
    see, look = view_step(draw, at), view_step(draw, at)
    other = draw.tensor()
    number = draw.number()
    first = bool(draw.rng.random() < 0.5)

    def run(write: Callable[[Tensor, list[Tensor]], Any]) -> Step:
        def step(t: list[Tensor], s: dict[str, Any]) -> Tensor:
            copy = t[at].clone() if first else t[at] * 1
            write(see(copy, s), t)
            return look(copy, s) if number > 0 else copy

        return step

    return run(
        draw.one_of(
            [
                lambda v, t: v.add_(t[other]),
                lambda v, t: v.sub_(v * 2),
                lambda v, t: v.mul_(number),
                lambda v, t: v.copy_(t[other]),
                lambda v, t: v.zero_(),
                lambda v, t: v.fill_(number),
                lambda v, t: torch.einsum("...->...", v).mul_(2),
                lambda v, t: v.reshape(v.shape).add_(1),
            ]
        )
    )


def fill_step(draw: Draw, at: int) -> Step:
    """Memory that is written to after it was made."""
    shape = draw.sizes(0, 2)

    def step(t: list[Tensor], s: dict[str, Any]) -> Tensor:
        made = torch.empty(*[worked(q, s) for q in shape], *t[at].shape, dtype=t[at].dtype)
        made.copy_(t[at])
        return made

    return step


def mask_step(draw: Draw, at: int) -> Step:
    """Masks: element 3 of the tensors is x, padded with zeros, 4 the mask."""
    other = draw.tensor()
    form = draw.one_of(
        [
            lambda m: m[:, :, None, None],
            lambda m: m[:, None, :, None],
            lambda m: m[:, :, None] & m[:, None, :],
            lambda m: m[:, :, None],
            lambda m: ~m[:, :, None],
            lambda m: m | ~m,
            lambda m: m + m,
            lambda m: m * m,
            lambda m: m,
        ]
    )
    return draw.one_of(
        [
            lambda t, s: form(t[4]),
            lambda t, s: torch.where(form(t[4]), t[at], 0),
            lambda t, s: torch.where(form(t[4]), t[at], t[other]),
            lambda t, s: t[at].masked_fill(~form(t[4]), 0),
            lambda t, s: t[at] * form(t[4]),
            lambda t, s: t[at] * form(t[4]).to(torch.float64),
            lambda t, s: t[at] / t[4].sum(-1).clamp(min=1).reshape(-1, *[1] * (t[at].dim() - 1)),
            lambda t, s: t[at] * t[4].sum(-1).reshape(-1, *[1] * (t[at].dim() - 1)),
            lambda t, s: form(t[4]).sum(-1),
            lambda t, s: form(t[4]).to(torch.float64).mean(1),
            lambda t, s: form(t[4]).float(),
        ]
    )


def drawn_step(draw: Draw) -> Step:
    """A step of any kind."""
    at = draw.tensor()
    kinds: list[Callable[[], Step]] = [
        lambda: _viewed(view_step(draw, at), at),
        lambda: _viewed(view_step(draw, at), at),
        lambda: new_step(draw),
        lambda: sum_step(draw, at),
        lambda: scalar_step(draw, at),
        lambda: pair_step(draw, at),
        lambda: pair_step(draw, at),
        lambda: gather_step(draw, at),
        lambda: write_step(draw, at),
        lambda: fill_step(draw, at),
    ]
    if draw.masked:
        kinds += [lambda: mask_step(draw, at)] * 3
    return draw.one_of(kinds)()


def _viewed(see: Callable[[Tensor, dict[str, Any]], Tensor], at: int) -> Step:
    return lambda t, s: see(t[at], s)


def inputs(
    b: int, n: int, masked: bool, rng: np.random.Generator, slots: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Small integers; some samples have few real nodes, padding is zero in what the oracle reads."""
    arrays = {
        "x": rng.integers(-4, 5, (b, n, n, CHANNELS[0])).astype(float),
        "weight": rng.integers(-4, 5, (slots, *CHANNELS)).astype(float),
        "bias": rng.integers(-4, 5, (2, CHANNELS[1])).astype(float),
    }
    masks = {"n": rng.random((b, n)) < 0.6} if masked else {}
    return arrays, masks


def drawn_program(seed: Sequence[int], slots: int, masked: bool) -> list[Step]:
    """Steps that torch takes for tensors of the sizes ``DRAWN``."""
    rng = np.random.default_rng(seed)
    arrays, masks = inputs(*DRAWN.values(), masked, rng, slots)
    steps: list[Step] = []
    for _ in range(STEPS * 3):
        module = Program(slots, steps)
        tensors = _tensors(module, arrays, masks)
        step = drawn_step(Draw(rng, tensors, masked))
        try:
            result = _tensors(Program(slots, [*steps, step]), arrays, masks)[-1]
        except (RuntimeError, IndexError, TypeError, ValueError):
            continue
        if 0 < result.numel() < 20_000 and result.dim() <= 6:
            steps.append(step)
        if len(steps) == STEPS:
            break
    return steps


def _tensors(module: Program, arrays: dict[str, Any], masks: dict[str, Any]) -> list[Tensor]:
    """The tensors of a run."""
    kept: list[Tensor] = []

    def keep(t: list[Tensor], s: dict[str, Any]) -> None:
        kept.extend(t)

    with torch.no_grad():
        _run(Program(module.weight.shape[0], [*module.steps, keep]), arrays, masks)
    return kept


def _run(module: nn.Module, arrays: dict[str, Any], masks: dict[str, Any]) -> Tensor:
    module.load_state_dict({name: torch.from_numpy(arrays[name]) for name in ("weight", "bias")})
    given = [torch.from_numpy(mask) for mask in masks.values()]
    with torch.no_grad():
        return module(torch.from_numpy(arrays["x"]).clone(), *given)


# ---------------------------------------------------------------- the promise


def _fewer(steps: list[Step], rng: np.random.Generator, slots: int, masked: bool) -> list[Step]:
    """The program without one of its steps, which those that remain may notice."""
    del steps[int(rng.integers(len(steps)))]
    arrays, masks = inputs(*DRAWN.values(), masked, rng, slots)
    while True:
        try:
            _tensors(Program(slots, steps), arrays, masks)
            return steps
        except (RuntimeError, IndexError, TypeError, ValueError):
            steps = steps[:-1]


def held(seed: Sequence[int], masked: bool) -> str:
    """Whether a drawn program was read; raises AssertionError if it was read as something else."""
    signature = Signature.parse("n n -> n n")
    slots = 15
    setting = Setting(signature, 1, {"n": "own"} if masked else {})
    steps = drawn_program(seed, slots, masked)
    rng = np.random.default_rng([*seed, 0])
    found: Any = None
    while found is None:
        module = Program(slots, steps)
        try:
            program = exported(module, setting, "channels-last")
            (found,) = _read(program, setting, "channels-last", None)
        except Unproved as error:
            if len(steps) <= FEWEST:
                return str(error)
            steps = _fewer(steps, rng, slots, masked)
    rng = np.random.default_rng([*seed, 1])
    for b, n in ((2, 2), (3, 2), (2, 3), (2, 4)):
        arrays, masks = inputs(b, n, masked, rng, slots)
        expected = _run(module, arrays, masks).to(torch.float64).numpy()
        if not isinstance(found, Value):
            continue
        if found.raw:
            return "raw"
        numbers = {name: mask.astype(float) for name, mask in masks.items()}
        got = dense(found, setting, (b,), {"n": n}, arrays, CHANNELS, numbers)
        assert got.shape == expected.shape, f"{got.shape} is read, {expected.shape} computed"
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)
    return "read"


@pytest.mark.parametrize("masked", [False, True])
def test_what_is_read_is_what_is_computed(masked: bool, seed: int) -> None:
    """Programs of up to seven random steps: read as formal sums, they give the numbers that they compute."""
    ends: Counter[str] = Counter()
    for at in range(30):
        try:
            ends[held([seed, at, masked], masked)] += 1
        except AssertionError as error:
            raise AssertionError(f"program {at}: {error}") from error
    assert ends["read"] >= 5, f"most programs are refused: {ends}"
