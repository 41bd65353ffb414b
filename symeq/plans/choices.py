"""Choices: ways to carry out a plan that all compute the same, and how they are written down.

A level whose blocks can be permuted has a *form*, which says where they are:

- ``outputs``: one product; its pieces are put into other orders and added. The plainest;
- ``inputs``: the tensors in all orders, side by side, and one product: nothing to add, more to put together;
- ``accumulated``: a product for each order, added in place: no tensor holds all pieces.

Besides, ``sorted`` says from how many channels on, or in which code, levels are computed at sorted index
tuples, ``sums`` which index sets are larger, so that sums go through the smaller of two tensors, and
``mixed`` where channels are mixed (``symeq.plans.mixing``): where that is not at the levels, there are
neither forms nor sorted levels.

One thing is no choice, a product for each tensor: it holds less than the tensors side by side, but its
products are of few channels, and it was slower wherever it was measured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Literal, TypeAlias, get_args

from symeq.errors import OptionError
from symeq.plans.cost import Sorting, pays, saved_by_sorting
from symeq.plans.ir import Mix, Permutation, Plan, axis_sets
from symeq.plans.lower import permuted_mix
from symeq.plans.mixing import Mixing, mix_at, mixings
from symeq.plans.passes import chain_broadcasts, chain_contractions
from symeq.signature import Signature

Form: TypeAlias = Literal["outputs", "inputs", "accumulated"]

SortedFrom: TypeAlias = int | Literal["never", "compiled"]
NEVER: Literal["never"] = "never"
IN_COMPILED_CODE: Literal["compiled"] = "compiled"

SORTABLE = (2, 3, 4)
"""Numbers of propagating blocks with which a level can go through the representations of S_c."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a level multiplies: how many sources, permutations and targets, and the index sets of its axes."""

    sources: int
    permutations: int
    targets: int
    sets: tuple[str, ...]

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms that it can have; where there is one order there is one form, one product."""
        return get_args(Form) if self.permutations > 1 else ("outputs",)

    @property
    def sortable(self) -> bool:
        """Whether it can go through the representations of one symmetric group, neither trivial nor large."""
        return len(set(self.sets)) == 1 and len(self.sets) in SORTABLE

    def pays(self, sorting: Sorting) -> tuple[int, int, int]:
        """When that is worth it, as ``symeq.plans.cost.pays`` says it."""
        return pays(len(self.sets), self.sources, self.targets, sorting)

    def saved_by_sorting(self, sorting: Sorting) -> tuple[Fraction, int, int]:
        """What it saves for an entry, as ``symeq.plans.cost.saved_by_sorting`` says it."""
        return saved_by_sorting(len(self.sets), self.sources, self.targets, sorting)


@dataclass(frozen=True, slots=True)
class Choices:
    """What has been chosen; ``str()`` writes it down, and ``parse`` reads it. What is not named is left open.

    Attributes:
        forms: the form of each level, by its name: how many blocks of each index set propagate.
        sorted_from: levels of 2 to 4 blocks of one index set are sorted where there are so many channels, in
            and out; "never"; "compiled", in compiled code only, where the cost model says so; or None, where
            it decides for compiled code and for eager code.
        sums: the index sets, largest first; () where all are taken to be alike.
        mixed: where channels are mixed; None, where the cost model decides.
    """

    forms: tuple[tuple[str, Form], ...] = ()
    sorted_from: SortedFrom | None = None
    sums: tuple[str, ...] = ()
    mixed: Mixing | None = None

    @classmethod
    def parse(cls, text: str, signature: Signature) -> Choices:
        """Reads what ``str()`` writes.

        >>> print(Choices.parse("2=inputs  sorted=64", Signature.parse("n n -> n n")))
        2=inputs sorted=64

        Raises:
            OptionError: a word that is no choice, or chosen twice.
        """
        found = cls()
        seen: set[str] = set()
        for word in text.split():
            key, equals, value = word.partition("=")
            if not equals or key in seen:
                raise OptionError("choices", text, "each choice once, as in 2=accumulated sorted=64")
            seen.add(key)
            found = found._with(key, value, text, signature)
        return found

    def _with(self, key: str, value: str, text: str, signature: Signature) -> Choices:
        if key == "sorted":
            if value in (NEVER, IN_COMPILED_CODE):
                return replace(self, sorted_from=value)
            if not re.fullmatch("[1-9][0-9]{0,8}", value):
                expected = (
                    f"sorted={NEVER}, sorted={IN_COMPILED_CODE}, or a number below 10^9, as in sorted=64"
                )
                raise OptionError("choices", text, expected)
            return replace(self, sorted_from=int(value))
        if key == "sums":
            names = tuple(value.split(","))
            if sorted(names) != sorted(signature.index_sets):
                example = ",".join(signature.index_sets)
                raise OptionError(
                    "choices", text, f"every index set once, largest first, as in sums={example}"
                )
            return replace(self, sums=names)
        if key == "mixed":
            where: Mixing
            for where in get_args(Mixing):
                if value == where:
                    return replace(self, mixed=where)
            raise OptionError("choices", text, f"mixed to be one of {', '.join(get_args(Mixing))}")
        form: Form
        for form in get_args(Form):
            if value == form:
                return replace(self, forms=(*self.forms, (key, form)))
        raise OptionError("choices", text, f"{key} to be one of {', '.join(get_args(Form))}")

    def __str__(self) -> str:
        words = [f"{name}={form}" for name, form in self.forms]
        words += [] if self.sorted_from is None else [f"sorted={self.sorted_from}"]
        words += [f"sums={','.join(self.sums)}"] if self.sums else []
        return " ".join([*words, f"mixed={self.mixed}"] if self.mixed else words)

    @property
    def at_levels(self) -> bool:
        """Whether channels are mixed at the levels, each in its form."""
        return self.mixed in (None, "levels")

    def of(self, level: str, shape: Shape) -> Form:
        """The form of a level; the first that it has where nothing was chosen."""
        return dict(self.forms).get(level, shape.forms[0])


def shapes(plan: Plan) -> dict[str, Shape]:
    """The levels of a plan with one product for each, by name, most propagating blocks first."""
    contractions = plan.contractions()
    found = {}
    for mix in plan.mixes:
        sources, permutations, targets = parts(mix)
        sets = axis_sets(contractions[sources[0]], plan.signature.inputs)
        found[level_name(sets, plan.signature)] = Shape(len(sources), len(permutations), len(targets), sets)
    return found


def level_name(sets: tuple[str, ...], signature: Signature) -> str:
    """How many propagating blocks each index set has.

    >>> level_name(("u", "i", "i"), Signature.parse("u i i -> u i i"))
    '1_2'
    """
    return "_".join(str(sets.count(name)) for name in signature.index_sets) or "0"


def parts(mix: Mix) -> tuple[list[int], list[Permutation], list[int]]:
    """The sources, the permutations and the targets of a product, each once."""
    sources = list(dict.fromkeys(at for at, _ in mix.sources))
    targets = list(dict.fromkeys(at for at, _ in mix.targets))
    side = mix.sources if len(mix.sources) > len(sources) else mix.targets
    return sources, list(dict.fromkeys(p for _, p in side)), targets


def check(choices: Choices, plan: Plan) -> None:
    """Holds the choices against a plan.

    Raises:
        OptionError: a level that there is not, or that has no choice; channels mixed where they cannot be.
    """
    if choices.mixed not in (None, *(places := mixings(plan))):
        words = " or ".join(f"mixed={where}" for where in places)
        raise OptionError("choices", str(choices), f"{words} for {plan.signature}")
    if not choices.at_levels and (choices.forms or choices.sorted_from is not None):
        raise OptionError(
            "choices", str(choices), "forms and sorted levels with mixed=levels, or mixed without them"
        )
    offered = [name for name, shape in shapes(plan).items() if len(shape.forms) > 1]
    if any(name not in offered for name, _ in choices.forms):
        levels = (
            f"forms of level{'s' if len(offered) > 1 else ''} {', '.join(offered)}" if offered else "no form"
        )
        raise OptionError("choices", str(choices), f"{levels}, as no other of {plan.signature} has a choice")


def sortable(plan: Plan) -> dict[str, Shape]:
    """The levels that can be sorted, by name; of these the highest, which comes first, decides for all."""
    return {name: shape for name, shape in shapes(plan).items() if shape.sortable}


def arrange(plan: Plan, choices: Choices) -> Plan:
    """The plan with sums, permutations and products where they were chosen to be; slots and meaning stay."""
    if not choices.at_levels:
        return mix_at(plan, choices.mixed or "levels", choices.sums)
    if choices.sums:
        plan = chain_broadcasts(chain_contractions(plan, choices.sums), choices.sums)
    mixes = []
    for name, mix in zip(shapes(plan), plan.mixes, strict=True):
        sources, permutations, targets = parts(mix)
        wanted = dict(choices.forms).get(name)
        if wanted and len(permutations) > 1 and (wanted == "inputs") != (len(mix.sources) > len(sources)):
            mix = permuted_mix(sources, permutations, targets, at_inputs=wanted == "inputs")
        mixes.append(mix)
    return replace(plan, mixes=tuple(mixes))


@dataclass(frozen=True, slots=True)
class Workload:
    """Sizes for which a choice is made: a batch, the size of every index set, and channels."""

    batch: int
    sizes: tuple[tuple[str, int], ...]
    in_channels: int
    out_channels: int

    @classmethod
    def parse(cls, text: str, signature: Signature) -> Workload:
        """Reads ``batch n channels``; n may differ between index sets, and channels between in and out.

        >>> Workload.parse("16 u=100,i=20 64,32", Signature.parse("u i -> u"))
        Workload(batch=16, sizes=(('u', 100), ('i', 20)), in_channels=64, out_channels=32)

        Raises:
            OptionError: anything else, or a number below 1.
        """
        example = ",".join(f"{name}={64 >> at}" for at, name in enumerate(signature.index_sets[:6]))
        if len(signature.index_sets) < 2:
            example = "64"
        expected = f'batch, n and channels, each below 10^9, as in "16 {example} 64" or "16 {example} 64,32"'
        words = text.split()
        if len(words) != 3:
            raise OptionError("for", text, expected)
        batch, n, channels = words
        names = signature.index_sets or ("n",)
        pairs = [part.rpartition("=") for part in n.split(",")]
        if len(pairs) == 1 and not pairs[0][1]:
            pairs = [(name, "=", n) for name in names]
        given = [name for name, equals, _ in pairs if equals]
        width = channels.split(",")
        numbers = [batch, *(size for _, _, size in pairs), *width]
        if (
            sorted(given) != sorted(names)
            or len(width) > 2
            or not all(re.fullmatch("[1-9][0-9]{0,8}", number) for number in numbers)
        ):
            raise OptionError("for", text, expected)
        sizes = {name: int(size) for name, _, size in pairs}
        ordered = tuple((name, sizes[name]) for name in signature.index_sets)
        return cls(int(batch), ordered, int(width[0]), int(width[-1]))

    def __str__(self) -> str:
        values = {size for _, size in self.sizes}
        n = (
            ",".join(f"{name}={size}" for name, size in self.sizes)
            if len(values) > 1
            else max(values, default=1)
        )
        width = (self.in_channels, self.out_channels)
        return f"{self.batch} {n} {width[0] if width[0] == width[1] else f'{width[0]},{width[1]}'}"

    @property
    def order_of_sets(self) -> tuple[str, ...]:
        """The index sets, largest first; () if all are alike."""
        if len({size for _, size in self.sizes}) < 2:
            return ()
        return tuple(name for name, _ in sorted(self.sizes, key=lambda pair: -pair[1]))

    def volume(self, sets: tuple[str, ...]) -> int:
        """The number of entries, per sample and channel, of a tensor with these index sets."""
        return prod(dict(self.sizes)[name] for name in sets)
