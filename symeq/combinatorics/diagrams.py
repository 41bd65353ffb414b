"""Partition diagrams: set partitions of input and output positions, read as maps.

The diagram operator ``D_d`` of a diagram d has entry 1 where the index tuple (inputs, then outputs) is
constant on every block of d, else 0. It contracts the input (sums the blocks that hold inputs only), carries
the propagating blocks over, and broadcasts along the blocks that hold outputs only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_letters

from symeq.combinatorics.lattice import join
from symeq.combinatorics.partitions import SetPartition, check_rgs, renumber
from symeq.errors import InvalidPartitionError

Block = tuple[int, ...]


@dataclass(frozen=True, order=True, slots=True)
class PartitionDiagram:
    """A set partition of m positions, of which the first ``order_in`` are inputs, the others outputs.

    ``sets`` names the index set of every position; left out, it is the one index set ``"n"``. A *block* is
    the tuple of its positions. Input *axes* number the inputs from 0, output axes the outputs from 0.

    >>> diagram = PartitionDiagram((0, 1, 0, 2), order_in=2)
    >>> diagram.propagating, diagram.input_only, diagram.output_only
    (((0, 2),), ((1,),), ((3,),))
    >>> print(diagram.draw(), "means:", diagram.words())
    a b -> a c means: sum over input axis 2, carry input axis 1 to output axis 1, copy along output axis 2

    Raises:
        InvalidPartitionError: ``rgs`` is no restricted growth string over ``sets``, or ``order_in`` is not
            between 0 and m.
    """

    rgs: tuple[int, ...]
    order_in: int
    sets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sets = tuple(self.sets) or ("n",) * len(tuple(self.rgs))
        object.__setattr__(self, "sets", sets)
        object.__setattr__(self, "rgs", check_rgs(self.rgs, sets))
        if not 0 <= self.order_in <= len(self.rgs):
            raise InvalidPartitionError(
                self.rgs,
                f"cannot have {self.order_in} inputs",
                f"The inputs are the first of its {len(self.rgs)} positions.",
            )

    @property
    def order_out(self) -> int:
        """k', the number of output positions."""
        return len(self.rgs) - self.order_in

    @property
    def partition(self) -> SetPartition:
        """The set partition of all positions."""
        return SetPartition(self.rgs)

    @property
    def inputs(self) -> tuple[int, ...]:
        """The block label of every input axis."""
        return self.rgs[: self.order_in]

    @property
    def outputs(self) -> tuple[int, ...]:
        """The block label of every output axis."""
        return self.rgs[self.order_in :]

    @property
    def propagating(self) -> tuple[Block, ...]:
        """The blocks that hold inputs and outputs."""
        return tuple(block for block in self.partition.blocks if all(self.axes(block)))

    @property
    def input_only(self) -> tuple[Block, ...]:
        """The blocks without outputs: the operator sums over them."""
        return tuple(block for block in self.partition.blocks if not self.axes(block)[1])

    @property
    def output_only(self) -> tuple[Block, ...]:
        """The blocks without inputs: the operator copies along them."""
        return tuple(block for block in self.partition.blocks if not self.axes(block)[0])

    def axes(self, block: Block) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The input axes and the output axes of a block.

        >>> PartitionDiagram((0, 1, 0), order_in=2).axes((0, 2))
        ((0,), (0,))
        """
        k = self.order_in
        return tuple(p for p in block if p < k), tuple(p - k for p in block if p >= k)

    def transpose(self) -> PartitionDiagram:
        """The diagram with inputs and outputs exchanged; its operator is the transposed matrix.

        >>> print(PartitionDiagram((0, 1, 1), order_in=2).transpose().draw())
        a -> b a
        """
        k = self.order_in
        return PartitionDiagram(
            renumber(self.outputs + self.inputs), self.order_out, self.sets[k:] + self.sets[:k]
        )

    def compose(self, other: PartitionDiagram) -> tuple[PartitionDiagram, dict[str, int]]:
        """``self`` after ``other``: the stacked diagram, and how many blocks were lost in the middle.

        ``D_self @ D_other`` is ``D_stacked`` times the product of ``size ** lost[name]`` over the index sets;
        ``lost`` has an entry for every index set of the middle (Halverson and Ram 2005, "Partition algebras",
        for one index set and k = k').

        >>> total, copies = PartitionDiagram((0,), order_in=1), PartitionDiagram((0,), order_in=0)
        >>> total.compose(copies)
        (PartitionDiagram(rgs=(), order_in=0, sets=()), {'n': 1})

        Raises:
            InvalidPartitionError: the inputs of ``self`` do not run over the index sets of the outputs of
                ``other``.
        """
        middle = self.sets[: self.order_in]
        if other.sets[other.order_in :] != middle:
            raise InvalidPartitionError(
                (self, other),
                f"cannot be composed: outputs over ({' '.join(other.sets[other.order_in :])}) meet inputs "
                f"over ({' '.join(middle)})",
                "diagram.compose(other) applies other first; its outputs must be the inputs of diagram.",
            )
        # Three rows of positions: the inputs of other, the middle, the outputs of self. Each diagram leaves
        # the row it does not see as single elements, told apart from its blocks by negative labels.
        lower = SetPartition.from_labels(other.rgs + _singles(self.order_out))
        upper = SetPartition.from_labels(_singles(other.order_in) + self.rgs)
        stacked = join(lower, upper).rgs
        first, last = other.order_in, other.order_in + self.order_in
        outer = stacked[:first] + stacked[last:]
        lost = dict.fromkeys(middle, 0)
        for label, name in set(zip(stacked[first:last], middle, strict=True)):
            lost[name] += label not in outer
        return PartitionDiagram(renumber(outer), first, other.sets[:first] + self.sets[self.order_in :]), lost

    def draw(self) -> str:
        """The signature with every axis replaced by the letter of its block.

        A letter on both sides propagates, one on the left only is summed over, one on the right only is
        copied along, and a letter twice on one side is a diagonal. Beyond 52 blocks, numbers replace letters.

        >>> PartitionDiagram((0, 0, 1, 0), order_in=2).draw()
        'a a -> b a'
        """
        few = len(self.partition) <= len(ascii_letters)
        names = [ascii_letters[label] if few else str(label) for label in self.rgs]
        return f"{' '.join(names[: self.order_in])} -> {' '.join(names[self.order_in :])}" if names else "->"

    def words(self) -> str:
        """What the diagram operator does, in words; axes are counted from 1, as in speech.

        "Onto the diagonal" means: entries off it are zero. Diagrams of the same signature have different
        words.

        >>> PartitionDiagram((0, 0, 0), order_in=1).words()
        'carry input axis 1 onto the diagonal of output axes 1 and 2'
        >>> PartitionDiagram((0, 0), order_in=2).words()
        'sum over the diagonal of input axes 1 and 2'
        """
        steps = [f"sum over {_axes_in_words('input', self.axes(block)[0])}" for block in self.input_only]
        for block in self.propagating:
            sources, targets = self.axes(block)
            preposition = "to" if len(targets) == 1 else "onto"
            steps.append(
                f"carry {_axes_in_words('input', sources)} {preposition} {_axes_in_words('output', targets)}"
            )
        steps += [f"copy along {_axes_in_words('output', self.axes(block)[1])}" for block in self.output_only]
        return ", ".join(steps) or "keep the number as it is"

    def _repr_svg_(self) -> str | None:
        from symeq.drawing import in_notebook

        return in_notebook(self)


def _singles(size: int) -> tuple[int, ...]:
    """Labels of single elements, which no block of a diagram has."""
    return tuple(range(-size, 0))


def _axes_in_words(side: str, axes: Sequence[int]) -> str:
    numbers = [str(axis + 1) for axis in axes]
    if len(numbers) == 1:
        return f"{side} axis {numbers[0]}"
    return f"the diagonal of {side} axes {', '.join(numbers[:-1])} and {numbers[-1]}"
