"""Small layers written by hand for ``tests/test_interpretation.py``: right ones, and ones with a fault.

Each is a function of the layer (for ``weight`` and ``bias``), x and mask. ``RIGHT`` computes what its
signature and normalization say, in many styles; ``WRONG`` does not, or not for every size, and says which
words the complaint must have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from symeq.combinatorics.partitions import count
from symeq.signature import Normalization, Signature

Compute = Callable[[Any, Tensor, Any], Tensor]


class Planted(nn.Module):
    """A layer of the right parameters that computes what it is told."""

    def __init__(self, signature: Signature, compute: Compute, bias: bool = True) -> None:
        super().__init__()
        options: dict[str, Any] = {"dtype": torch.float64}
        self.weight = nn.Parameter(torch.zeros(count(signature.positions), 2, 3, **options))
        slots = count(signature.outputs)
        self.bias = nn.Parameter(torch.zeros(slots, 3, **options)) if bias else None
        self.register_buffer("table", torch.tensor([0.5], dtype=torch.float64), persistent=False)
        self.compute = compute

    def forward(self, x: Tensor, mask: Any = None, sizes: Any = None) -> Tensor:
        """What ``compute`` gives."""
        return self.compute(self, x, mask)


@dataclass(frozen=True)
class Plant:
    """A layer, what it is held against, and words of the complaint that it must meet."""

    name: str
    compute: Compute
    complaint: str = ""
    signature: str = "n -> n"
    normalization: Normalization = "mean"
    masks: Mapping[str, Any] = field(default_factory=dict)
    bias: bool = True

    def layer(self) -> Planted:
        """A layer."""
        return Planted(Signature.parse(self.signature), self.compute, self.bias)


OWN: Mapping[str, Any] = {"n": "own"}
BOTH: Mapping[str, Any] = {"u": "own", "i": "own"}


# ---------------------------------------------------------------- right ones


def deep_sets(s: Any, x: Tensor, mask: Any = None) -> Tensor:
    """N -> n, normalization "mean"."""
    return x @ s.weight[0] + x.mean(-2, keepdim=True) @ s.weight[1] + s.bias[0]


def masked_deep_sets(s: Any, x: Tensor, mask: Tensor) -> Tensor:
    """The same with a mask."""
    x = torch.where(mask[..., None], x, 0)
    mean = x.sum(-2) / mask.sum(-1, keepdim=True).clamp(min=1)
    y = x @ s.weight[0] + (mean @ s.weight[1])[..., None, :] + s.bias[0]
    return y.masked_fill(~mask[..., None], 0)


def _exchangeable(s: Any, x: Tensor, mask: Any) -> Tensor:
    """U i -> u i, normalization "mean": slots (0, 1, 0, 1), (0, 1, 0, 2), (0, 1, 2, 1), (0, 1, 2, 3)."""
    w = s.weight
    rows, columns = x.mean(-2, keepdim=True), x.mean(-3, keepdim=True)
    return x @ w[0] + rows @ w[1] + columns @ w[2] + x.mean((-3, -2), keepdim=True) @ w[3] + s.bias[0]


def _masked_exchangeable(s: Any, x: Tensor, mask: Any) -> Tensor:
    w, real = s.weight, mask["u"][..., :, None, None] & mask["i"][..., None, :, None]
    x = x.masked_fill(real.logical_not(), 0)
    nu = torch.maximum(mask["u"].sum(-1), torch.ones_like(mask["u"].sum(-1)))[..., None, None, None]
    ni = mask["i"].sum(-1).clamp(1)[..., None, None, None]
    rows, columns = x.sum(-2, keepdim=True) / ni, x.sum(-3, keepdim=True) / nu
    y = x @ w[0] + rows @ w[1] + columns @ w[2] + rows.sum(-3, keepdim=True) / nu @ w[3] + s.bias[0]
    return torch.where(real, y, torch.zeros_like(y))


def _nested_where(s: Any, x: Tensor, mask: Any) -> Tensor:
    """U i -> u, sum: slots (0, 1, 0), (0, 1, 2); a mask after the other."""
    u, i = mask["u"], mask["i"]
    x = torch.where(i[..., None, :, None], torch.where(u[..., :, None, None], x, 0), 0)
    rows = x.sum(-2)
    y = rows @ s.weight[0] + rows.sum(-2, keepdim=True) @ s.weight[1] + s.bias[0]
    return y * u[..., None]


def _graph_to_nodes(s: Any, x: Tensor, mask: Any) -> Tensor:
    """N n -> n, sum: (0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (0, 1, 2), as one einsum."""
    n = x.shape[-2]
    diagonal = x.diagonal(dim1=-3, dim2=-2).movedim(-1, -2)
    parts = [
        diagonal,
        diagonal.sum(-2, keepdim=True).expand(-1, n, -1),
        x.sum(-2),
        x.sum(-3),
        x.sum((-3, -2)).unsqueeze(-2).repeat(1, n, 1),
    ]
    return torch.einsum("b n s d, s d e -> b n e", torch.stack(parts, -2), s.weight) + s.bias[0]


def _with_eye(s: Any, x: Tensor, mask: Any) -> Tensor:
    """N -> n n, sum: slots (0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (0, 1, 2)."""
    w, n, total = s.weight, x.shape[-2], x.sum(-2, keepdim=True)
    eye = torch.eye(n, dtype=x.dtype)[..., None]
    y = torch.diag_embed((x @ w[0]).transpose(-1, -2)).movedim(-3, -1)
    y = y + (x @ w[1])[..., :, None, :] + (x @ w[2])[..., None, :, :]
    y = y + eye * (total @ w[3])[..., None, :] + (total @ w[4])[..., None, :]
    return y + torch.where(torch.eye(n, dtype=torch.bool)[..., None], s.bias[0], 0) + s.bias[1]


def _by_diagonal_write(s: Any, x: Tensor, mask: Any) -> Tensor:
    """The same, written through a view of the diagonal."""
    w, total = s.weight, x.sum(-2)
    y = (
        (x @ w[1])[..., :, None, :]
        + (x @ w[2])[..., None, :, :]
        + (total @ w[4] + s.bias[1])[..., None, None, :]
    )
    on_diagonal = x @ w[0] + (total @ w[3])[..., None, :] + s.bias[0]
    y.diagonal(dim1=-3, dim2=-2).add_(on_diagonal.transpose(-1, -2))
    return y


def _invariant_by_linear(s: Any, x: Tensor, mask: Any) -> Tensor:
    """N n -> , mean: slots (0, 0), (0, 1)."""
    trace, total = torch.einsum("bnnd->bd", x) / x.shape[1], x.flatten(1, 2).sum(1) / x.shape[1] ** 2
    return functional.linear(trace, s.weight[0].T) + functional.linear(total, s.weight[1].T, s.bias[0])


def _bare(s: Any, x: Tensor, mask: Any) -> Tensor:
    stacked = torch.cat([x, x.mean(-2, keepdim=True).expand_as(x)], -1)
    return stacked @ s.weight.reshape(-1, s.weight.shape[-1])


RIGHT = (
    Plant("DeepSets with mean", deep_sets),
    Plant(
        "dimensions exchanged in place",
        lambda s, x, m: deep_sets(s, (x * 1).transpose_(0, 1).transpose(0, 1)),
    ),
    Plant("DeepSets with a mask", masked_deep_sets, masks=OWN),
    Plant("DeepSets, features side by side, no bias", _bare, bias=False),
    Plant(
        "sqrt as a power",
        lambda s, x, m: (
            x @ s.weight[0] + x.sum(-2, keepdim=True) * x.shape[-2] ** -0.5 @ s.weight[1] + s.bias
        ),
        normalization="sqrt",
    ),
    Plant(
        "baddbmm and matmul",
        lambda s, x, m: (
            torch.baddbmm(s.bias[None], x, s.weight[0].expand(x.shape[0], -1, -1))
            + torch.matmul(x.mean(1, True), s.weight[1])
        ),
    ),
    Plant("exchangeable matrices", _exchangeable, signature="u i -> u i"),
    Plant("exchangeable matrices with masks", _masked_exchangeable, signature="u i -> u i", masks=BOTH),
    Plant("masks one after another", _nested_where, "", "u i -> u", "sum", BOTH),
    Plant("einsum of a stack", _graph_to_nodes, "", "n n -> n", "sum"),
    Plant("eye and diag_embed", _with_eye, "", "n -> n n", "sum"),
    Plant("a write to the diagonal", _by_diagonal_write, "", "n -> n n", "sum"),
    Plant("linear and einsum", _invariant_by_linear, signature="n n -> "),
    Plant(
        "an output that is made first",
        lambda s, x, m: torch.zeros(*x.shape[:-1], 3, dtype=x.dtype).add_(deep_sets(s, x)),
    ),
    Plant(
        "channels first by hand",
        lambda s, x, m: (
            (
                torch.einsum("de,bdn->ben", s.weight[0], x.mT)
                + (s.weight[1].T @ x.mean(1)[..., None])
                + s.bias[0][:, None]
            ).mT
        ),
    ),
)


# ---------------------------------------------------------------- wrong ones


def _if(holds: Callable[[Tensor], Any], then: Compute, other: Compute = deep_sets) -> Compute:
    return lambda s, x, m: (then if holds(x) else other)(s, x, m)


def _twice(s: Any, x: Tensor, mask: Any = None) -> Tensor:
    return deep_sets(s, x) * 2


def _sum(factor: Callable[[Tensor], Any]) -> Compute:
    """DeepSets with a normaliser of its own."""
    return lambda s, x, m: x @ s.weight[0] + x.sum(1, True) * factor(x) @ s.weight[1] + s.bias[0]


def _masked(
    replaced: Callable[[Tensor, Tensor], Tensor] = lambda x, m: x.masked_fill(~m[..., None], 0),
    divisor: Callable[[Tensor, Tensor], Any] = lambda x, m: m.sum(-1, keepdim=True).clamp(min=1),
    last: Callable[[Tensor, Tensor], Tensor] = lambda y, m: y.masked_fill(~m[..., None], 0),
) -> Compute:
    def compute(s: Any, x: Tensor, mask: Tensor) -> Tensor:
        x = replaced(x, mask)
        mean = x.sum(1) / divisor(x, mask)
        return last(x @ s.weight[0] + (mean @ s.weight[1])[:, None] + s.bias[0], mask)

    return compute


def _wrong_mask(name: str, complaint: str, **parts: Any) -> Plant:
    return Plant(name, _masked(**parts), complaint, masks=OWN)


def _wrong_sizes(name: str, holds: Callable[[Tensor], Any]) -> Plant:
    return Plant(name, _if(holds, _twice), "only where|cannot be exported")


def _wrong_factor(
    name: str, factor: Callable[[Tensor], Any], complaint: str = "coefficient of weight"
) -> Plant:
    return Plant(name, _sum(factor), complaint)


def _wrong_input(name: str, change: Callable[[Any, Tensor], Tensor], complaint: str) -> Plant:
    """The layer of something made of x."""
    return Plant(name, lambda s, x, m: deep_sets(s, change(s, x)), complaint)


def _counted(s: Any, x: Tensor) -> Tensor:
    s.table.add_(1)
    return x


def _copied_into(x: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros_like(x, dtype=dtype).copy_(x).to(x.dtype)


def _stepped(s: Any, x: Tensor) -> Tensor:
    """One of two numbers is written to, and the second is read."""
    pair = torch.zeros(2, 1, dtype=x.dtype)
    pair[::2] += 1
    return x * pair[1]


def _through_einsum(s: Any, x: Tensor) -> Tensor:
    """A write to what einsum gives, which is a view."""
    copy = x * 1
    torch.einsum("bnd->bdn", copy).mul_(2)
    return copy


def _memory(s: Any, x: Tensor) -> Tensor:
    """A copy into memory of more axes, one of which is summed over."""
    made = torch.empty(x.shape[1], *x.shape, dtype=x.dtype).copy_(x)
    return made.sum(0)


WRONG = (
    # Ranges of sizes.
    _wrong_sizes("n below 1000", lambda x: x.shape[1] >= 1000),
    _wrong_sizes("n == 600", lambda x: x.shape[1] == 600),
    _wrong_sizes("n % 7", lambda x: x.shape[1] % 7 == 0),
    _wrong_sizes("b * n > 10**6", lambda x: x.shape[0] * x.shape[1] > 10**6),
    _wrong_sizes("n == 2", lambda x: x.shape[1] == 2),
    _wrong_sizes("b >= 100", lambda x: x.shape[0] >= 100),
    _wrong_sizes("numel", lambda x: x.numel() > 10**5),
    Plant(
        "u == i", _if(lambda x: x.shape[1] == x.shape[2], _twice, _exchangeable), "only where", "u i -> u i"
    ),
    # Normalisers.
    _wrong_factor("a quarter, right at n = 4", lambda x: 1 / 4),
    _wrong_factor("a sixth", lambda x: 1 / 6),
    _wrong_factor("(1/49) * 49", lambda x: 1 / x.shape[1] * ((1 / 49) * 49)),
    _wrong_factor("n // 600", lambda x: (1 + x.shape[1] // 600) / x.shape[1], "rounded"),
    _wrong_factor("n + 1e-9", lambda x: 1 / (x.shape[1] + 1e-9), "power -1"),
    _wrong_factor("the batch size", lambda x: 1 / x.shape[0]),
    _wrong_factor("n as a tensor", lambda x: torch.tensor(x.shape[1]).to(x.dtype)),
    _wrong_factor("a stride", lambda x: 2 / x.stride(0), "lies in memory"),
    _wrong_factor("1 / n^2", lambda x: x.shape[1] ** -2),
    _wrong_factor("1 / sqrt(n)", lambda x: x.shape[1] ** -0.5),
    _wrong_factor("1 / (n - 1)", lambda x: 1 / (x.shape[1] - 1), "power -1"),
    _wrong_factor("half of n, rounded", lambda x: 1 / (2 * torch.sym_int(x.shape[1] / 2)), "trunc"),
    # Not linear.
    Plant(
        "a product of weights",
        lambda s, x, m: x @ (s.weight[0] @ s.weight[1].T @ s.weight[0]),
        "product of two parameters",
    ),
    Plant(
        "a weight used twice",
        lambda s, x, m: deep_sets(s, x) + x @ s.weight[0],
        "coefficient of weight slot 0",
    ),
    Plant("a weight left out", lambda s, x, m: x @ s.weight[0] + s.bias[0], "weight slot 1"),
    Plant(
        "slots exchanged", lambda s, x, m: x @ s.weight[1] + x.mean(1, True) @ s.weight[0] + s.bias, "slot"
    ),
    Plant("a bias of 1", lambda s, x, m: deep_sets(s, x) + 1, "x is not in it"),
    Plant("no bias", lambda s, x, m: deep_sets(s, x) - s.bias[0], "bias slot 0"),
    _wrong_input("x * x", lambda s, x: x * x, "two entries of the input"),
    _wrong_input("x * mean(x)", lambda s, x: x * x.mean(1, True), "two entries of the input"),
    Plant("bias times x", lambda s, x, m: x @ s.weight[0] * s.bias[0], "product"),
    Plant("bias times input", lambda s, x, m: (x[..., None] * s.bias[0]).sum(-2), "bias and the input"),
    # Axes.
    Plant(
        "rows for columns",
        lambda s, x, m: _graph_to_nodes(s, x.transpose(1, 2), m),
        "coefficient",
        "n n -> n",
        "sum",
    ),
    Plant(
        "axes mixed by a reshape",
        lambda s, x, m: _graph_to_nodes(s, x.movedim(-1, 1).flatten(1).unflatten(1, x.shape[1:]), m),
        "mixes axes",
        "n n -> n",
        "sum",
    ),
    Plant(
        "index sets exchanged",
        lambda s, x, m: _exchangeable(s, x.transpose(1, 2).flatten(1, 2).unflatten(1, x.shape[1:3]), m),
        "mixes axes",
        "u i -> u i",
    ),
    _wrong_input(
        "batch for nodes",
        lambda s, x: x.transpose(0, 1).flatten(0, 1).unflatten(0, x.shape[:2]),
        "mixes axes",
    ),
    _wrong_input("a sum over samples", lambda s, x: x + x.sum(0), "coefficient"),
    _wrong_input("a node by its number", lambda s, x: x + x[:, :1], "numbering"),
    _wrong_input("all nodes but the first", lambda s, x: x + x[:, 1:].sum(1, True), "numbering|exported"),
    _wrong_input(
        "the diagonal beside",
        lambda s, x: x + x[:, :, None].expand(-1, -1, x.shape[1], -1).diagonal(1, 1, 2).sum(-1)[:, None],
        "diagonal off by|exported",
    ),
    Plant(
        "slots for channels",
        lambda s, x, m: torch.einsum("bns,sdo->bno", x, s.weight) + s.bias,
        "axes are not the same",
    ),
    _wrong_input(
        "a number for each channel",
        lambda s, x: x * torch.tensor([1.0, 2.0], dtype=x.dtype),
        "axes are not the same",
    ),
    # Positions and constants.
    _wrong_input("arange", lambda s, x: x * torch.arange(x.shape[1])[:, None], "table of indices"),
    _wrong_input("linspace", lambda s, x: x * torch.linspace(0, 1, x.shape[1])[:, None], "linspace|exported"),
    _wrong_input("a table", lambda s, x: x * s.table, "coefficient"),
    _wrong_input("a state", lambda s, x: _counted(s, x) * s.table, "written to|changes"),
    _wrong_input("noise", lambda s, x: x + torch.rand_like(x), "rand"),
    _wrong_input("noise of constants", lambda s, x: x * (1 + 0 * torch.rand_like(s.table)), "rand"),
    _wrong_input("old memory", lambda s, x: x + torch.empty_like(s.table), "not written to"),
    _wrong_input("x is changed", lambda s, x: x.mul_(2).mul_(0.5), "written to|changes"),
    # Casts.
    _wrong_input("float32", lambda s, x: x.float().double(), "float32"),
    _wrong_input("bfloat16", lambda s, x: x.to(torch.bfloat16).to(x.dtype), "bfloat16"),
    _wrong_input("half", lambda s, x: x.half().to(x.dtype), "float16"),
    _wrong_input("integers", lambda s, x: x.long().double(), "rounded to torch.int64"),
    _wrong_input(
        "integers by type_as", lambda s, x: x.type_as(torch.ones(1, dtype=torch.int64)), "int64|Long"
    ),
    _wrong_input("integers by copy_", lambda s, x: _copied_into(x, torch.int64), "int64"),
    _wrong_input("truth values by copy_", lambda s, x: _copied_into(x, torch.bool), "bool"),
    _wrong_input("bits", lambda s, x: x.view(torch.int64).to(x.dtype), "view.dtype"),
    _wrong_input(
        "a half that is 0", lambda s, x: x * (1 + torch.full_like(x, 0.5, dtype=torch.int64)), "int64"
    ),
    _wrong_input("a sum in float32", lambda s, x: x + 0 * x.sum(1, True, dtype=torch.float32), "float32"),
    # Memory.
    _wrong_input("a write with a step", _stepped, "every second entry"),
    _wrong_input("a write through einsum", _through_einsum, "may have changed"),
    _wrong_input("a copy into more axes", _memory, "coefficient"),
    # Data.
    _wrong_input("a branch on entries", lambda s, x: x if x.sum() > 0 else 2 * x, "cannot be exported"),
    _wrong_input("cumsum", lambda s, x: x.cumsum(1), "operation cumsum"),
    _wrong_input("sort", lambda s, x: x.sort(1).values, "operation sort"),
    _wrong_input("relu", lambda s, x: x.relu(), "operation relu"),
    _wrong_input("abs", lambda s, x: x.abs(), "operation abs"),
    _wrong_input("max", lambda s, x: x + x.amax(1, True), "operation amax"),
    _wrong_input(
        "gather", lambda s, x: x.gather(1, torch.zeros_like(x, dtype=torch.int64)), "operation gather"
    ),
    _wrong_input("softmax", lambda s, x: x.softmax(1), "operation softmax"),
    _wrong_input("flip", lambda s, x: x.flip(1), "operation flip"),
    _wrong_input("roll", lambda s, x: x.roll(1, 1), "operation roll"),
    _wrong_input("clamp", lambda s, x: x.clamp(min=1), "a bound from below"),
    _wrong_input("where x > 0", lambda s, x: torch.where(x > 0, x, 0), "operation gt"),
    # Masks.
    _wrong_mask("multiplied, not replaced", "NaN", replaced=lambda x, m: x * m[..., None]),
    _wrong_mask("on the way out only", "padding", replaced=lambda x, m: x),
    _wrong_mask("on the way in only", "coefficient", last=lambda y, m: y),
    _wrong_mask("the other way round", "padding", replaced=lambda x, m: x.masked_fill(m[..., None], 0)),
    _wrong_mask(
        "ones in the padding", "other than zero", replaced=lambda x, m: x.masked_fill(~m[..., None], 1)
    ),
    _wrong_mask("count of all nodes", "coefficient of weight", divisor=lambda x, m: x.shape[1]),
    _wrong_mask("count not clamped", "may be zero", divisor=lambda x, m: m.sum(-1, keepdim=True)),
    _wrong_mask(
        "count clamped at 2", "other than 1", divisor=lambda x, m: m.sum(-1, keepdim=True).clamp(min=2)
    ),
    _wrong_mask(
        "count plus epsilon", "may be zero", divisor=lambda x, m: m.sum(-1, keepdim=True).double() + 1e-6
    ),
    _wrong_mask(
        "count doubled",
        "bound from below|coefficient",
        divisor=lambda x, m: (2 * m.sum(-1, keepdim=True)).clamp(min=1),
    ),
    _wrong_mask("count of all samples", "over samples before", divisor=lambda x, m: m.sum().clamp(min=1)),
    _wrong_mask(
        "count of padding", "bound from below", divisor=lambda x, m: (~m).sum(-1, keepdim=True).clamp(min=1)
    ),
    _wrong_mask("mask plus mask", "add of truth values", last=lambda y, m: y * (m + m)[..., None] * 0.5),
    _wrong_mask(
        "any for the count",
        "sum of truth values",
        divisor=lambda x, m: m.sum(-1, keepdim=True, dtype=torch.bool).double().clamp(min=1),
    ),
    _wrong_mask(
        "a count in float32", "float32", divisor=lambda x, m: m.float().sum(-1, keepdim=True).clamp(min=1)
    ),
    Plant(
        "the mask of u for both",
        lambda s, x, m: _masked_exchangeable(s, x, {"u": m["u"], "i": m["u"]}),
        "cannot be exported|sizes",
        "u i -> u i",
        masks=BOTH,
    ),
    Plant(
        "one mask for all samples",
        lambda s, x, m: masked_deep_sets(s, x, m[:1].expand(x.shape[0], -1)),
        "numbering",
        masks=OWN,
    ),
)


# ---------------------------------------------------------------- gradients


class _Mixed(torch.autograd.Function):
    """x @ w with a backward pass of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, kind: str) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.kind = kind
        return x @ w

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        of_x, of_w = g @ w.T, (x.transpose(-1, -2) @ g).sum(0)
        if ctx.kind == "doubled" or (ctx.kind == "from n = 5 on" and x.shape[1] >= 5):
            of_x = of_x * 2
        if ctx.kind == "averaged":
            of_x = of_x.mean(1, True).expand_as(of_x)
        if ctx.kind == "one sample":
            of_w = of_w / x.shape[0]
        return (None if ctx.kind == "dropped" else of_x), of_w, None


def _mixed(kind: str) -> Compute:
    return lambda s, x, m: _Mixed.apply(x, s.weight[0], kind) + x.mean(1, True) @ s.weight[1] + s.bias[0]


RIGHT_BACKWARD = (
    Plant("a right backward pass", _mixed("right")),
    *(plant for plant in RIGHT if plant.masks or plant.signature != "n -> n"),
)

WRONG_BACKWARD = (
    Plant("doubled", _mixed("doubled"), "gradient of x"),
    Plant("dropped", _mixed("dropped"), "gradient of x"),
    Plant("averaged", _mixed("averaged"), "gradient of x"),
    Plant("one sample", _mixed("one sample"), "gradient of weight"),
    Plant("from n = 5 on", _mixed("from n = 5 on"), "only where"),
    Plant(
        "detach",
        lambda s, x, m: deep_sets(s, x.detach()) + 0 * x[..., :1].sum(),
        "gradient of x|slice|entries",
    ),
    Plant(
        "weight.data",
        lambda s, x, m: x @ s.weight.detach()[0] + deep_sets(s, x) - x @ s.weight[0],
        "gradient",
    ),
    Plant("no_grad", lambda s, x, m: _without_gradient(s, x), "gradient"),
)


def _without_gradient(s: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        mean = x.mean(1, True)
    return x @ s.weight[0] + mean @ s.weight[1] + s.bias[0]
