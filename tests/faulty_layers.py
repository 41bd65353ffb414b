"""Layers as people write them by hand: some right, in several styles, and many with one fault each.

Nothing here imports symeq. The faults are of kinds that have been seen in public code; the code is not.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

# ---------------------------------------------------------------- right


def stack_2_to_2(x: Tensor, dim: int) -> list[Tensor]:
    """The 15 operators of ``n n -> n n``, channels first: (b, c, n, n) -> 15 of (b, c, n, n)."""
    diagonal = torch.diagonal(x, dim1=2, dim2=3)
    rows, columns = x.sum(3), x.sum(2)
    trace, total = diagonal.sum(2, keepdim=True), x.sum((2, 3)).unsqueeze(2)
    spread = (1, 1, dim)
    return [
        torch.diag_embed(diagonal),
        torch.diag_embed(trace.repeat(spread)),
        torch.diag_embed(rows),
        torch.diag_embed(columns),
        torch.diag_embed(total.repeat(spread)),
        columns.unsqueeze(3).expand(-1, -1, -1, dim),
        rows.unsqueeze(3).expand(-1, -1, -1, dim),
        columns.unsqueeze(2).expand(-1, -1, dim, -1),
        rows.unsqueeze(2).expand(-1, -1, dim, -1),
        x,
        x.transpose(2, 3),
        diagonal.unsqueeze(3).expand(-1, -1, -1, dim),
        diagonal.unsqueeze(2).expand(-1, -1, dim, -1),
        trace.unsqueeze(3).expand(-1, -1, dim, dim),
        total.unsqueeze(3).expand(-1, -1, dim, dim),
    ]


def side_by_side_2_to_1(x: Tensor) -> Tensor:
    """The 5 operators of ``n n -> n`` on the channel axis: (b, n, n, c) -> (b, n, 5 c)."""
    n = x.shape[1]
    diagonal = x.diagonal(dim1=1, dim2=2).transpose(1, 2)
    everywhere = [diagonal.mean(1, keepdim=True), x.mean((1, 2)).unsqueeze(1)]
    return torch.cat([diagonal, x.mean(1), x.mean(2), *(t.expand(-1, n, -1) for t in everywhere)], -1)


def numpy_1_to_1(x: np.ndarray) -> np.ndarray:
    """The two operators of ``n -> n`` in NumPy: (b, n, c) -> (b, 2, n, c)."""
    return np.stack([np.copy(x), np.broadcast_to(x.sum(1, keepdims=True), np.shape(x))], axis=1)


def plain_trace_and_sum(x: Tensor) -> Tensor:
    """The two operators of ``n n -> `` without batch or channels: (n, n) -> (2,)."""
    return torch.stack([x.trace(), x.sum()])


class Einsum2to2(nn.Module):
    """A stack mixed by one einsum, channels first, with both bias operators."""

    def __init__(self, input_depth: int, output_depth: int) -> None:
        super().__init__()
        self.coeffs = nn.Parameter(torch.randn(input_depth, output_depth, 15) / 4)
        self.diag_bias = nn.Parameter(torch.zeros(1, output_depth, 1, 1))
        self.all_bias = nn.Parameter(torch.zeros(1, output_depth, 1, 1))

    def operators(self, x: Tensor) -> list[Tensor]:
        """The stack."""
        return stack_2_to_2(x, x.size(3))

    def mixed(self, x: Tensor) -> Tensor:
        """The stack times the weights."""
        return torch.einsum("dsb,ndbij->nsij", self.coeffs, torch.stack(self.operators(x), 2))

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, n, n) -> (b, c', n, n)."""
        eye = torch.eye(x.size(3), dtype=x.dtype, device=x.device)
        return self.mixed(x) + self.all_bias + self.diag_bias * eye


class DeepSets(nn.Module):
    """x W + mean(x) V, channels last; its two biases do the same, as is usual."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.own, self.all = nn.Linear(in_features, out_features), nn.Linear(in_features, out_features)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        return self.own(x) + self.all(x.mean(-2, keepdim=True))


class ExchangeableMatrix(nn.Module):
    """The four operators of ``u i -> u i``, channels last."""

    def __init__(self, in_dim: int, out_dim: int, bias: bool = True) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(in_dim, out_dim, bias=bias and at == 0) for at in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """(b, u, i, c) -> (b, u, i, c')."""
        sums = x, x.sum(1, keepdim=True), x.sum(2, keepdim=True), x.sum((1, 2), keepdim=True)
        return sum(part(s) for part, s in zip(self.parts, sums, strict=True))


class MaskedDeepSets(nn.Module):
    """DeepSets with a mask of real nodes, without bias."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.own = nn.Linear(in_dim, out_dim, bias=False)
        self.all = nn.Linear(in_dim, out_dim, bias=False)

    def pooled(self, x: Tensor, real: Tensor) -> Tensor:
        """The mean over real nodes."""
        return x.sum(1, keepdim=True) / real.sum(1, keepdim=True)

    def forward(self, x: Tensor, node_mask: Tensor | None = None) -> Tensor:
        """(b, n, c), (b, n) -> (b, n, c')."""
        real = torch.ones_like(x[..., :1]) if node_mask is None else node_mask.to(x.dtype).unsqueeze(-1)
        x = x.masked_fill(real == 0, 0)
        return (self.own(x) + self.all(self.pooled(x, real))) * real


def all_of_order_3() -> list[str]:
    """The 203 operators of ``n n n -> n n n``: the block of each axis as a letter, inputs first."""
    strings: list[tuple[int, ...]] = [()]
    for _ in range(6):
        strings = [(*s, b) for s in strings for b in range(max(s, default=-1) + 2)]
    return ["".join("ijklmn"[b] for b in s) for s in strings]


def _operator_3(x: Tensor, letters: str, sizes: int) -> Tensor:
    """One operator on (b, c, n, n, n) by an einsum: diagonals, sums, copies, diagonals."""
    source, target = letters[:3], letters[3:]
    ones = torch.ones(sizes, dtype=x.dtype)
    fresh = [letter for letter in dict.fromkeys(target) if letter not in source]
    small = "".join(dict.fromkeys(target))
    terms = ",".join([f"zy{source}", *fresh])
    y = torch.einsum(f"{terms}->zy{small}", x, *[ones] * len(fresh))
    eye = torch.eye(sizes, dtype=x.dtype)
    # Repeated letters of the target: a delta for each repetition.
    named, deltas, seen = [], [], set()
    for at, letter in enumerate(target):
        if letter in seen:
            named.append("pqr"[at])
            deltas.append(letter + "pqr"[at])
        else:
            named.append(letter)
            seen.add(letter)
    return torch.einsum(f"{','.join([f'zy{small}', *deltas])}->zy{''.join(named)}", y, *[eye] * len(deltas))


def stack_3_to_3(x: Tensor) -> Tensor:
    """All 203 operators of order 3: (b, c, n, n, n) -> (b, c, 203, n, n, n)."""
    return torch.stack([_operator_3(x, letters, x.shape[-1]) for letters in all_of_order_3()], 2)


# ---------------------------------------------------------------- faulty operators


def pasted_twice(x: Tensor, dim: int) -> list[Tensor]:
    """The line of the rows on the diagonal stands where that of the columns should."""
    operators = stack_2_to_2(x, dim)
    operators[3] = operators[2]
    return operators


def transposed(x: Tensor, dim: int) -> list[Tensor]:
    """One operator copies along the other axis, which another does already."""
    operators = stack_2_to_2(x, dim)
    operators[5] = operators[5].transpose(2, 3)
    return operators


def wrong_sum(x: Tensor, dim: int) -> list[Tensor]:
    """One operator sums over the channels instead of the rows."""
    operators = stack_2_to_2(x, dim)
    operators[6] = x.sum(1, keepdim=True).expand_as(x)
    return operators


def running_sum(x: Tensor, dim: int) -> list[Tensor]:
    """One operator is a cumulative sum."""
    operators = stack_2_to_2(x, dim)
    operators[8] = x.cumsum(2)
    return operators


def mixed_operator(x: Tensor, dim: int) -> list[Tensor]:
    """One operator has another added to it: a mixture, of full rank; one is zero."""
    operators = stack_2_to_2(x, dim)
    operators[9] = operators[9] + operators[10]
    operators[13] = torch.zeros_like(operators[13])
    return operators


def some_of_order_3(x: Tensor) -> Tensor:
    """19 of the 203 operators of order 3."""
    return torch.stack([_operator_3(x, letters, x.shape[-1]) for letters in all_of_order_3()[:19]], 2)


class Pasted2to2(Einsum2to2):
    """A layer of 14 operators, one of them with two coefficients."""

    def operators(self, x: Tensor) -> list[Tensor]:
        """The stack, one line pasted twice."""
        return pasted_twice(x, x.size(3))


class BatchSum(DeepSets):
    """Sums over the batch, not over the nodes."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        return self.own(x) + self.all(x.mean(0, keepdim=True).expand_as(x))


class PositionalWeights(DeepSets):
    """A mean whose weights depend on the place of the node."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        weight = torch.linspace(1, 2, x.shape[-2], dtype=x.dtype).unsqueeze(-1)
        return self.own(x) + self.all((weight * x).mean(-2, keepdim=True))


class SkewedItems(ExchangeableMatrix):
    """Equivariant in the users; one item is special."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, u, i, c) -> (b, u, i, c')."""
        return super().forward(x) + self.parts[0](x[:, :, :1])


class Activated(DeepSets):
    """A nonlinearity inside."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        return torch.relu(self.own(x)) + self.all(x.mean(-2, keepdim=True))


class MaxPooled(DeepSets):
    """A maximum in place of the sum."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        return self.own(x) + self.all(x.amax(-2, keepdim=True))


class HardCoded(DeepSets):
    """Made for five nodes."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.register_buffer("ones", torch.ones(5, 5) / 5)

    def forward(self, x: Tensor) -> Tensor:
        """(b, 5, c) -> (b, 5, c')."""
        return self.own(x) + self.all(torch.einsum("ij,bjc->bic", self.ones.to(x.dtype), x))


class AtMostFive(DeepSets):
    """A table that ends: from six nodes on it fails."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        table = torch.ones(5, dtype=x.dtype)
        return self.own(x) + self.all((table[: x.shape[-2]].reshape(-1, 1) * x).mean(-2, keepdim=True))


class Dropping(DeepSets):
    """Dropout inside the linear layer."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        return self.drop(super().forward(x))


class Noisy(DeepSets):
    """Noise that eval mode does not turn off."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        return super().forward(x) + torch.randn(())


class InPlace(DeepSets):
    """Spoils its input."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        y = super().forward(x)
        x.sub_(1)
        return y


class DiagonalBias(Einsum2to2):
    """A bias on the diagonal only."""

    def __init__(self, input_depth: int, output_depth: int) -> None:
        super().__init__(input_depth, output_depth)
        del self.all_bias

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, n, n) -> (b, c', n, n)."""
        return self.mixed(x) + self.diag_bias * torch.eye(x.size(3), dtype=x.dtype)


class ConstantBias(Einsum2to2):
    """One bias number for each channel, as a linear layer has."""

    def __init__(self, input_depth: int, output_depth: int) -> None:
        super().__init__(input_depth, output_depth)
        del self.diag_bias

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, n, n) -> (b, c', n, n)."""
        return self.mixed(x) + self.all_bias


# ---------------------------------------------------------------- faulty parameters


class InAList(nn.Module):
    """Parameters in a plain list."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weights = [nn.Parameter(torch.randn(in_dim, out_dim)) for _ in range(2)]

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        own, pooled = self.weights
        return x @ own + x.mean(1, keepdim=True) @ pooled


class ModulesInAList(nn.Module):
    """Modules in a plain list."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.layers = [nn.Linear(in_dim, out_dim, bias=False) for _ in range(2)]

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        return self.layers[0](x) + self.layers[1](x.mean(1, keepdim=True))


class PlainTensor(nn.Module):
    """A weight that is a tensor and no parameter."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.randn(in_dim, out_dim))
        self.pooled = torch.randn(in_dim, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        return x @ self.own + x.mean(1, keepdim=True) @ self.pooled.to(x.dtype)


class MadeInForward(nn.Module):
    """A parameter that is new in every call."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.randn(in_dim, out_dim))

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        pooled = nn.Parameter(torch.full(self.own.shape, 0.5, dtype=x.dtype))
        return x @ self.own + x.mean(1, keepdim=True) @ pooled


class LostOnTheWay(nn.Module):
    """``Parameter(...).to(device)``: on another device a plain tensor."""

    def __init__(self, in_dim: int, out_dim: int, device: str = "cpu") -> None:
        super().__init__()
        self.own = nn.Parameter(torch.randn(in_dim, out_dim)).to(device)
        self.pooled = nn.Parameter(torch.randn(in_dim, out_dim))

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        return x @ self.own + x.mean(1, keepdim=True) @ self.pooled


class ScaledParameter(nn.Module):
    """``Parameter(...) * 0.5``: what is kept is a product, and no parameter."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, in_dim, out_dim)) * 0.5

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        own, pooled = self.weight
        return x @ own + x.mean(1, keepdim=True) @ pooled


class StaleCopy(nn.Module):
    """A view of a parameter, kept since the module was made."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, in_dim, out_dim))
        self.views = [self.weight.data[at] for at in range(2)]

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        own, pooled = (view.to(x.dtype) for view in self.views)
        return x @ own + x.mean(1, keepdim=True) @ pooled + 0 * self.weight.sum()


class Detached(nn.Module):
    """A weight whose gradient is cut off, and one that nothing uses."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.randn(in_dim, out_dim))
        self.pooled = nn.Parameter(torch.randn(in_dim, out_dim))
        self.idle = nn.Parameter(torch.randn(in_dim, out_dim))

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        return x @ self.own + x.mean(1, keepdim=True) @ self.pooled.detach()


# ---------------------------------------------------------------- faulty masks


class PaddedMean(MaskedDeepSets):
    """The mean counts padded nodes."""

    def pooled(self, x: Tensor, real: Tensor) -> Tensor:
        """The mean over all nodes."""
        return x.mean(1, keepdim=True)


class PaddingNotZeroed(MaskedDeepSets):
    """The pooled part is written into the padding."""

    def forward(self, x: Tensor, node_mask: Tensor | None = None) -> Tensor:
        """(b, n, c), (b, n) -> (b, n, c')."""
        real = torch.ones_like(x[..., :1]) if node_mask is None else node_mask.to(x.dtype).unsqueeze(-1)
        x = x.masked_fill(real == 0, 0)
        return self.own(x) + self.all(self.pooled(x, real))


class NanSpreads(MaskedDeepSets):
    """Multiplies by the mask, which does not remove NaN."""

    def forward(self, x: Tensor, node_mask: Tensor | None = None) -> Tensor:
        """(b, n, c), (b, n) -> (b, n, c')."""
        real = torch.ones_like(x[..., :1]) if node_mask is None else node_mask.to(x.dtype).unsqueeze(-1)
        x = x * real
        return (self.own(x) + self.all(self.pooled(x, real))) * real


class MaskIgnored(MaskedDeepSets):
    """Takes a mask and does nothing with it."""

    def forward(self, x: Tensor, node_mask: Tensor | None = None) -> Tensor:
        """(b, n, c), (b, n) -> (b, n, c')."""
        return self.own(x) + self.all(x.mean(1, keepdim=True))


# ---------------------------------------------------------------- right, in odd ways


class LowRank(nn.Module):
    """Weights that are products, so that the map is not affine in its parameters."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(2, in_dim, 4))
        self.second = nn.Parameter(torch.randn(4, out_dim))

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        own, pooled = self.first @ self.second
        return x @ own + x.sum(1, keepdim=True) @ pooled


class Residual(nn.Module):
    """A map with a part that does not depend on the parameters."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.own, self.all = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c)."""
        return x + self.own(x) + self.all(x.mean(-2, keepdim=True))


class Transformed(nn.Module):
    """Weights under a nonlinear function, normalised by the square root of n."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, in_dim, out_dim))

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        own, pooled = torch.tanh(self.weight)
        return x @ own + x.sum(1, keepdim=True) @ pooled / x.shape[1] ** 0.5


def orbits_2_to_0(x: Tensor) -> Tensor:
    """Both orbit operators of ``n n -> ``: (b, n, n, c) -> (b, 2, c)."""
    trace = x.diagonal(dim1=1, dim2=2).sum(-1)
    return torch.stack([trace, x.sum((1, 2)) - trace], 1)


def scaled(x: Tensor, size: int, power: int) -> list[Tensor]:
    """Two operators of (b, n, c), with arguments that must be given."""
    return [x, x.sum(1, keepdim=True).expand(-1, size, -1) / size**power]


class CastInside(nn.Module):
    """Computes in float32 whatever comes."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, in_dim, out_dim))

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        own, pooled = self.weight.float()
        small = x.float()
        return (small @ own + small.mean(1, keepdim=True) @ pooled).to(x.dtype)


class OnlyFloat32(nn.Module):
    """A constant in float32 makes it fail in any other precision."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, in_dim, out_dim))

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        own, pooled = self.weight
        ones = torch.ones(x.shape[1], x.shape[1], dtype=torch.float32)
        return x @ own + torch.einsum("ij,bjc->bic", ones, x) @ pooled


class EdgeMasked(nn.Module):
    """Two operators of order 2, and a mask of edges (b, n, n)."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, in_dim, out_dim))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(b, n, n, c), (b, n, n) -> (b, n, n, c')."""
        if mask is not None:
            x = x.masked_fill(~mask.unsqueeze(-1), 0)
        own, other = self.weight
        y = x @ own + x.transpose(1, 2) @ other
        return y if mask is None else y * mask.unsqueeze(-1)


class PaddingMasked(nn.Module):
    """DeepSets whose mask is needed and True for padding."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, in_dim, out_dim))

    def forward(self, x: Tensor, key_padding_mask: Tensor) -> Tensor:
        """(b, n, c), (b, n) -> (b, n, c')."""
        hidden = key_padding_mask.unsqueeze(-1)
        own, pooled = self.weight
        x = x.masked_fill(hidden, 0)
        return (x @ own + x.sum(1, keepdim=True) @ pooled).masked_fill(hidden, 0)


class HiddenMasked(PaddingMasked):
    """The same, and nothing in its name tells that the mask is True for padding."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(b, n, c), (b, n) -> (b, n, c')."""
        return super().forward(x, mask)


class TwoMasks(ExchangeableMatrix):
    """A mask for each index set."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__(in_dim, out_dim, bias=False)

    def forward(self, x: Tensor, mask_u: Tensor | None = None, mask_i: Tensor | None = None) -> Tensor:
        """(b, u, i, c) -> (b, u, i, c')."""
        if mask_u is None or mask_i is None:
            return super().forward(x)
        real = (mask_u[:, :, None] & mask_i[:, None, :]).unsqueeze(-1)
        return super().forward(x.masked_fill(~real, 0)) * real


class CutOff(DeepSets):
    """Sums the first 64 nodes only."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        return self.own(x) + self.all(x[:, :64].sum(-2, keepdim=True))


class Counting(DeepSets):
    """Counts its calls and multiplies by the count."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        self.calls += 1
        return self.calls * super().forward(x)


class LastChannelUnread(DeepSets):
    """All input channels but the last."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels - 1, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        return super().forward(x[..., :-1])


class OneOutput(DeepSets):
    """One output channel, shown as often as channels were asked for."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, 1)
        self.shown = out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c')."""
        y = super().forward(x)
        return y.expand(*y.shape[:-1], self.shown)
