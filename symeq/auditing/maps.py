"""Linear maps read as combinations of orbit operators.

An equivariant map has one number for each equality pattern of its index tuples (Maron et al. 2019,
arXiv:1812.09902), so one basis input for each equality pattern of the input tuple shows them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod
from typing import Any

import numpy as np
import torch

from symeq.auditing.exact import Array
from symeq.auditing.subject import Sizes, Subject
from symeq.auditing.weights import Weights
from symeq.signature import Signature
from symeq.verification.dense import Dense, index_tuples

MOST_ENTRIES = 5000  # of parameters that are tried one by one
_WIDE = 4  # from more channels on, only a few of them are looked at
Cell = tuple[int, int]  # (input channel, output channel); input channel -1: the bias


class Table:
    """The equality patterns at some sizes, and the basis inputs that show all of them."""

    def __init__(self, dense: Dense, bias_dense: Dense, sizes: Sizes) -> None:
        self.sizes = dict(sizes)
        signature = dense.signature
        shape_in, shape_out = dense.shape_in(sizes), dense.shape_out(sizes)
        inputs_alone = Dense(Signature((), signature.inputs))
        self.inputs = inputs_alone.one_of_each_pattern(sizes, np.random.default_rng(0))
        places = np.zeros(len(self.inputs), dtype=np.int64)
        for axis, size in enumerate(shape_in):
            places = places * size + self.inputs[:, axis]
        outputs = index_tuples(shape_out)
        if prod(shape_in) and prod(shape_out):
            self.slots, self._order, self._starts = _grouped(dense.tuple_slots(sizes, outputs)[:, places].T)
        else:
            self.slots, self._order, self._starts = _grouped(np.zeros((0,), dtype=np.int64))
        self.bias_slots, self._bias_order, self._bias_starts = _grouped(
            bias_dense.tuple_slots(sizes, outputs)[:, 0]
        )

    def basis_inputs(
        self, channels: Sequence[int], all_channels: int, shape_in: tuple[int, ...]
    ) -> torch.Tensor:
        """Zero, then the basis input of each pattern and channel: (1 + patterns * channels, ...)."""
        x = torch.zeros(1 + len(self.inputs) * len(channels), *shape_in, all_channels, dtype=torch.float64)
        for at, index in enumerate(self.inputs.tolist()):
            for c, channel in enumerate(channels):
                x[(1 + at * len(channels) + c, *index, channel)] = 1
        return x

    def orbit_numbers(self, entries: Array) -> tuple[Array, Array]:
        """From (input patterns, output tuples, cells): the number of each pattern, and how far it varies.

        -> (patterns present, cells) and (cells,).
        """
        return _read(entries.reshape(-1, entries.shape[-1]), self._order, self._starts)

    def bias_numbers(self, entries: Array) -> tuple[Array, Array]:
        """The same for the bias, from (output tuples, output channels)."""
        return _read(entries, self._bias_order, self._bias_starts)


def _grouped(slots: Array) -> tuple[Array, Array, Array]:
    flat = slots.reshape(-1)
    order = np.argsort(flat, kind="stable")
    present, starts = np.unique(flat[order], return_index=True)
    return present, order, starts


def _read(entries: Array, order: Array, starts: Array) -> tuple[Array, Array]:
    if not len(starts):
        return np.zeros((0, entries.shape[1])), np.zeros(entries.shape[1])
    ordered = entries[order]
    low, high = np.minimum.reduceat(ordered, starts), np.maximum.reduceat(ordered, starts)
    return (low + high) / 2, (high - low).max(axis=0)


@dataclass(frozen=True)
class Reading:
    """One map: its number at each pattern and cell, (patterns, in, out); the bias (patterns, out).

    ``spread``, (in, out), and ``bias_spread``, (out,), say how far entries of one pattern differ.
    """

    numbers: Array
    spread: Array
    bias: Array
    bias_spread: Array


class Reader:
    """Reads the maps of a subject, of its channels ``ins`` and ``outs`` (operators and channels in one)."""

    def __init__(self, subject: Subject, signature: Signature, stacked: bool) -> None:
        self.subject = subject
        self.signature = signature
        self.dense = Dense(signature)
        self.bias_dense = Dense(Signature((), signature.outputs))
        shape = subject.shape
        wide = not stacked and max(shape.in_channels, shape.out_channels) > _WIDE
        self.ins = tuple(range(min(shape.in_channels, 2) if wide else shape.in_channels))
        outs = shape.operators * shape.out_channels
        self.outs = tuple(range(min(outs, 3) if wide and shape.operators == 1 else outs))
        self.wide = wide
        self._tables: dict[tuple[int, ...], Table] = {}

    def table(self, sizes: Sizes) -> Table:
        """The patterns at these sizes."""
        key = tuple(sizes.values())
        if key not in self._tables:
            self._tables[key] = Table(self.dense, self.bias_dense, sizes)
        return self._tables[key]

    def read(self, sizes: Sizes) -> Reading:
        """The map with the weights that the subject has now."""
        table = self.table(sizes)
        shape_in = self.subject.shape_in(sizes)
        x = table.basis_inputs(self.ins, self.subject.shape.in_channels, shape_in)
        rows, parts = len(x), []
        step = max(1, 2**22 // self.subject.per_sample(sizes))
        for start in range(0, rows, step):
            y = self.subject(x[start : start + step], sizes)
            # (rows, operators, outputs, channels) -> (rows, outputs, operators and channels)
            flat = y.detach().double().flatten(2, -2) if y.dim() > 3 else y.detach().double().unsqueeze(2)
            flat = flat.permute(0, 2, 1, 3).flatten(2)
            parts.append(flat[..., list(self.outs)].numpy())
        values = np.concatenate(parts)
        zero, values = values[0], values[1:] - values[0]
        outputs, outs = values.shape[1:]
        entries = values.reshape(len(table.inputs), len(self.ins), outputs, outs).transpose(0, 2, 1, 3)
        numbers, spread = table.orbit_numbers(entries.reshape(len(table.inputs), outputs, -1))
        bias, bias_spread = table.bias_numbers(zero)
        cells = (len(self.ins), outs)
        return Reading(numbers.reshape(-1, *cells), spread.reshape(cells), bias, bias_spread)


# ---------------------------------------------------------------- one row for each parameter


@dataclass(frozen=True)
class Row:
    """What one parameter entry, or one operator of a stack, contributes: a vector for each cell."""

    label: str
    parts: Mapping[Cell, Array]


class Family:
    """The maps that the weights can make, as rows."""

    def __init__(self, reader: Reader, weights: Weights, full: Sizes, rng: np.random.Generator) -> None:
        self.reader = reader
        self.weights = weights
        self.rng = rng
        self.full = full
        self.tolerance = 1e-9 if reader.subject.dtype == torch.float64 else 1e-4

    def draw(self) -> torch.Tensor:
        """Random integers for all weights."""
        return torch.from_numpy(
            self.rng.integers(1, 10, self.weights.number) * self.rng.choice([-1, 1], self.weights.number)
        ).double()

    @cached_property
    def affine(self) -> bool:
        """Whether the map depends affinely on the weights."""
        first, second = self.draw(), self.draw()
        found = [
            self._at(theta, self.full) for theta in (0 * first, first, second, first + second, 3 * first)
        ]
        zero, one, two, both, triple = ((r.numbers, r.bias) for r in found)
        for part in (0, 1):
            scale = max(np.abs(both[part]).max(initial=0), np.abs(triple[part]).max(initial=0), 1e-300)
            sum_off = both[part] - one[part] - two[part] + zero[part]
            scale_off = triple[part] - 3 * one[part] + 2 * zero[part]
            off = max(np.abs(sum_off).max(initial=0), np.abs(scale_off).max(initial=0))
            if not off <= 1e3 * self.tolerance * scale:
                return False
        return True

    def _at(self, theta: torch.Tensor, sizes: Sizes) -> Reading:
        self.weights.set(theta)
        return self.reader.read(sizes)

    @cached_property
    def groups(self) -> list[dict[int, frozenset[Cell]]]:
        """Weight entries that reach different cells, so that one reading shows all of a group."""
        subject, reader = self.reader.subject, self.reader
        self.weights.set(self.draw())
        reached: list[set[Cell]] = [set() for _ in range(self.weights.number)]
        shape_in = subject.shape_in(self.full)
        everything = {(i, o) for i in (-1, *range(len(reader.ins))) for o in range(len(reader.outs))}
        for i in (-1, *range(len(reader.ins))):
            x = torch.zeros(2, *shape_in, subject.shape.in_channels, dtype=torch.float64)
            if i >= 0:
                x[..., reader.ins[i]] = torch.from_numpy(self.rng.integers(1, 10, (2, *shape_in))).double()
            x = x[:1] if subject.one_by_one else x
            y = (
                subject(x, self.full).flatten(2, -2)
                if subject.signature.outputs
                else subject(x, self.full).unsqueeze(2)
            )
            y = y.permute(0, 2, 1, 3).flatten(2)
            for o, out in enumerate(reader.outs):
                functional = (y[..., out] * torch.from_numpy(self.rng.normal(size=y.shape[:-1]))).sum()
                gradient = self.weights.gradients(functional)
                for entry in torch.nonzero(gradient != 0).flatten().tolist():
                    unknown = bool(gradient[entry].isnan())
                    reached[entry] |= (
                        everything if unknown and not self.reader.wide else set() if unknown else {(i, o)}
                    )
        entries = [entry for entry, cells in enumerate(reached) if cells]
        groups: list[tuple[dict[int, frozenset[Cell]], set[Cell]]] = []
        for entry in entries:
            free = next((at for at, (_, taken) in enumerate(groups) if not taken & reached[entry]), None)
            if free is None:
                free = len(groups)
                groups.append(({}, set()))
            group, taken = groups[free]
            group[entry] = frozenset(reached[entry])
            taken |= reached[entry]
            if len(groups) > MOST_ENTRIES:
                break
        return [group for group, _ in groups]

    @property
    def one_by_one(self) -> bool:
        """Whether every weight entry can be tried alone."""
        return self.affine and len(self.groups) <= MOST_ENTRIES

    def rows(self, sizes: Sizes) -> list[Row]:
        """A row for every weight entry that reaches the output, and one for the fixed part of the map."""
        zero = self._at(torch.zeros(self.weights.number, dtype=torch.float64), sizes)
        rows = []
        fixed = dict(self._parts(zero, None))
        if fixed:
            rows.append(Row("what does not depend on the parameters", fixed))
        for group in self.groups:
            theta = torch.zeros(self.weights.number, dtype=torch.float64)
            theta[list(group)] = 1
            found = self._at(theta, sizes)
            change = Reading(
                found.numbers - zero.numbers, found.spread, found.bias - zero.bias, found.bias_spread
            )
            for entry, cells in group.items():
                rows.append(Row(self.weights.label(entry), dict(self._parts(change, cells))))
        return rows

    def draws(self, sizes: Sizes, dimension: int) -> list[Row]:
        """Rows of maps with random weights, enough of them to span ``dimension`` maps."""
        cells = len(self.reader.ins) * len(self.reader.outs)
        number = 4 + ceil(dimension / max(cells, 1))
        found = [self._at(self.draw(), sizes) for _ in range(number)]
        return [Row(f"draw {at}", dict(self._parts(reading, None))) for at, reading in enumerate(found)]

    def _parts(self, reading: Reading, cells: frozenset[Cell] | None) -> Iterator[tuple[Cell, Array]]:
        scale = max(np.abs(reading.numbers).max(initial=0), np.abs(reading.bias).max(initial=0))
        for o in range(len(self.reader.outs)):
            for i in range(-1, len(self.reader.ins)):
                if cells is not None and (i, o) not in cells:
                    continue
                vector = reading.bias[:, o] if i < 0 else reading.numbers[:, i, o]
                if np.abs(vector).max(initial=0) > self.tolerance * scale:
                    yield (i, o), vector


def stack_rows(reader: Reader, reading: Reading) -> tuple[list[Row], list[str]]:
    """A row for every operator of a stack, and what is wrong with how it treats the channels.

    An operator of a stack acts on each channel alone and on all alike. Operators side by side on the channel
    axis, channel by channel or operator by operator, are told apart.
    """
    shape = reader.subject.shape
    numbers = reading.numbers.reshape(
        len(reading.numbers), shape.in_channels, shape.operators, shape.out_channels
    )
    complaints: list[str] = []
    if (
        shape.operators == 1
        and shape.out_channels > shape.in_channels
        and not shape.out_channels % shape.in_channels
    ):
        numbers = _side_by_side(numbers)
    operators, outs = numbers.shape[2:]
    rows = []
    for at in range(operators):
        own = numbers[:, :, at]
        parts: dict[Cell, Array] = {}
        if outs == shape.in_channels:
            across = [(i, o) for i in range(outs) for o in range(outs) if i != o and own[:, i, o].any()]
            unequal = [
                c for c in range(1, outs) if not np.allclose(own[:, c, c], own[:, 0, 0], rtol=1e-9, atol=0)
            ]
            if across:
                complaints.append(
                    f"operator {at} carries input channel {across[0][0]} to output channel {across[0][1]}"
                )
            elif unequal:
                complaints.append(f"operator {at} treats channel {unequal[0]} differently from channel 0")
            parts = {(0, 0): own[:, 0, 0]}
        else:
            parts = {
                (i, o): own[:, i, o]
                for i in range(shape.in_channels)
                for o in range(outs)
                if own[:, i, o].any()
            }
        rows.append(Row(f"operator {at}", parts))
    return rows, complaints


def _side_by_side(numbers: Any) -> Any:
    """Operators that stand on the channel axis, as an axis of their own: (patterns, in, operators, in)."""
    patterns, ins, _, outs = numbers.shape
    number = outs // ins
    for order in ("operators first", "channels first"):
        split = numbers.reshape(
            patterns, ins, *((number, ins) if order == "operators first" else (ins, number))
        )
        split = split if order == "operators first" else split.swapaxes(2, 3)
        diagonal = np.eye(ins, dtype=bool)[None, :, None, :]
        if not np.where(diagonal, 0, split).any():
            return split
    return numbers
