"""EquivariantUItoU: every linear map ``u i -> u`` that commutes with permutations.

2 operators from 2 contractions, 2 matrix products and 2 broadcasts. In the remarks of the
forward pass [0 1] is a block of axes that remains as one axis, and (2) a block that is summed
on the way in or copied along on the way out; beside BASIS, axes of one block have one letter.

Emitted by symeq 0.1.0. Change the generator, not this file; to emit it again:
    symeq generate "u i -> u" --out DIR
plan:     sha256 d38b976e6283a61cdadf8b2263ca123fcf5a16cfc235495d467f1b946dd60be4
template: sha256 8b6d76020bb4206fb95832384613145097db4f3d36bbb477e04910935808a27e
content:  sha256 b8aa406a39e065d6ff7cd1cf0a65f5e24f8e14f11f85b314202b069973b2251f (with zeros here)
"""

import torch
from torch import Tensor, nn

# The weight slots of each level, by source, permutation and target.
SLOTS = (
    0, 1,
)


def _merges(strings: tuple[tuple[int, ...], ...], sets: tuple[str, ...]) -> list[tuple[Tensor, Tensor]]:
    """The steps from orbit to diagram weights, as pairs (targets, sources): target -= source.

    An operator whose block must differ from the earlier blocks of its index set is the one in
    which it need not, less those in which it is merged with one of them. This is undone for the
    blocks that begin at the last axis first.
    """
    slot = {string: at for at, string in enumerate(strings)}
    steps = []
    for axis in reversed(range(len(sets))):
        pairs = [
            (slot[tuple(into if b == string[axis] else b - (b > string[axis]) for b in string)], at)
            for at, string in enumerate(strings)
            if string[axis] not in string[:axis]
            for into in sorted({b for b, s in zip(string[:axis], sets) if s == sets[axis]})
        ]
        if pairs:
            steps.append(torch.tensor(pairs, device="cpu").unbind(1))
    return steps


def _packed(merges: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Targets and sources of all steps, one after another: ``(2, pairs)``."""
    if not merges:
        return torch.zeros(2, 0, dtype=torch.long, device="cpu")
    return torch.stack([torch.cat(side) for side in zip(*merges)])


def _to_diagram(weight: Tensor, merges: Tensor, steps: list[int]) -> Tensor:
    """Orbit weights as diagram weights: the Moebius transform of the partition lattice."""
    if not steps:  # torch.export cannot read back a split into no pieces
        return weight
    targets, sources = merges.to(weight.device).unbind()
    for target, source in zip(targets.split(steps), sources.split(steps)):
        weight = weight.index_add(0, target, weight.index_select(0, source), alpha=-1)
    return weight


def _input_only_blocks(strings: Tensor, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Tensor:
    """For each index set of the inputs and each slot, how many of its blocks hold inputs only."""
    k = len(inputs)
    counts = []
    for name in dict.fromkeys(inputs):
        ins = strings[:, [axis for axis in range(k) if inputs[axis] == name]]
        outs = strings[:, [k + axis for axis in range(len(outputs)) if outputs[axis] == name]]
        blocks = range(k + len(outputs))
        counts.append(sum((ins == b).any(1).long() * (outs != b).all(1).long() for b in blocks))
    return torch.stack(counts) if counts else torch.zeros(0, len(strings), dtype=torch.long, device="cpu")


def _spread(strings: Tensor, sums: Tensor, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Tensor:
    """For each orbit weight its standard deviation over that of the diagram basis."""
    k = len(inputs)
    reaching = torch.ones(len(strings), dtype=torch.bool, device="cpu")
    for b, second in enumerate(outputs):
        for a in range(b):
            if outputs[a] == second:
                reaching &= strings[:, k + a] != strings[:, k + b]
    full = reaching.clone()  # those with all their terms at every n
    for name, count in zip(dict.fromkeys(inputs), sums):
        full &= count <= (0 if name in outputs else 1)
    rest = reaching & ~full
    spread = torch.ones(len(strings), device="cpu")
    if rest.any():
        spread[rest] = (0.6 * reaching.sum() / rest.sum()).sqrt()
        spread[full] = (0.8 * reaching.sum() / full.sum()).sqrt()
    return spread


def _wide(dtype: torch.dtype) -> torch.dtype:
    """The dtype of sums over index axes."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def _zero_padding(x: Tensor, masks: tuple[Tensor | None, ...]) -> Tensor:
    """The tensor with exact zeros wherever the mask of some index axis says padding; None: all real."""
    real = None
    for axis, mask in enumerate(masks):
        if mask is not None:
            shape = (*mask.shape[:-1], *[1] * axis, mask.shape[-1], *[1] * (len(masks) - axis))
            real = mask.reshape(shape) if real is None else real & mask.reshape(shape)
    return x if real is None else x.masked_fill(~real, 0)


def _sum(x: Tensor, dims: tuple[int, ...], *scales: Tensor | float | None) -> Tensor:
    """The sum over index axes, float32 at least, times the normaliser of each."""
    total = x.sum(dims, dtype=_wide(x.dtype))
    for scale in scales:
        if scale is not None:
            total = total * _aligned(scale, total)
    return total


def _aligned(scale: Tensor | float, x: Tensor) -> Tensor | float:
    """A number per sample, shaped so that it multiplies every entry of the sample's x."""
    if isinstance(scale, Tensor):
        return scale.reshape(*scale.shape, *[1] * (x.dim() - scale.dim()))
    return scale


def _mix(
    features: list[Tensor] | tuple[Tensor, ...],
    terms: list[tuple[Tensor | None, Tensor]],
    start: int,
    rows: int,
    columns: int,
    dtype: torch.dtype,
) -> Tensor:
    """One product over the channels: features side by side, times the weights of one level."""
    stacked = torch.cat([x.to(dtype) for x in features], -1) if len(features) > 1 else features[0].to(dtype)
    total = None
    for factor, weight in terms:
        matrix = weight[start : start + rows * columns].unflatten(0, (rows, columns)).transpose(1, 2)
        z = stacked @ matrix.reshape(rows * weight.shape[1], columns * weight.shape[2]).to(dtype)
        if factor is not None:
            z = z * _aligned(factor, z)
        total = z if total is None else total + z
    return _anew(total, stacked)


def _anew(z: Tensor, x: Tensor) -> Tensor:
    """z with its sizes said anew, those of x but for the channels, and as a tensor of its own.

    That is for compilers, which copy nothing here. Where a size is split off a flattened one they go on
    with n * n // n for n; and what is added to a view in place goes by way of the tensor that it views.
    """
    if torch.compiler.is_compiling() and not torch.compiler.is_exporting():
        z = z.expand(*x.shape[:-1], -1).clone()
    return z


class EquivariantUItoU(nn.Module):
    """The general permutation-equivariant linear layer ``u i -> u``.

    y = sum over slots of B_slot(x) @ weight[slot], plus the bias operators; the operators B are
    the 2 of BASIS, all there are (Maron, Ben-Hamu, Shamir and Lipman 2019, arXiv:1812.09902).

    Args:
        in_channels: channels of x, at least 1.
        out_channels: channels of y, at least 1.
        bias: whether there is one.
        basis: "diagram" (blocks of a set partition may take equal indices) or "orbit" (they may
            not). Both span the same layers; weights of one kind mean something else in the other.
        normalization: the operator of a slot is multiplied, for each of its blocks that hold
            inputs only, by 1 ("sum"), 1/n ("mean") or 1/sqrt(n) ("sqrt"); n is the size of the
            block's index set or, under a mask, the sample's own count of real nodes.
        device, dtype: of the parameters.

    Shapes:
        x: ``(*batch, u, i, in_channels)``, any number of batch axes.
        y: ``(*batch, u, out_channels)``.
        weight: ``(2, in_channels, out_channels)``, slots as in BASIS.
        bias: ``(1, out_channels)``, slots as in BIAS_BASIS; never normalised.
    """

    SIGNATURE = "u i -> u"
    LAYOUT = "channels-last"
    INDEX_SETS = ("u", "i")
    INPUTS = ("u", "i")
    OUTPUTS = ("u",)
    # Restricted growth strings over the axes, inputs first. Slot order is the checkpoint format.
    BASIS = (
        (0, 1, 0),  # a b -> a
        (0, 1, 2),  # a b -> c
    )
    BIAS_BASIS = (
        (0,),
    )

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        bias: bool = True,
        basis: str = "diagram",
        normalization: str = "mean",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if isinstance(channels, bool) or not hasattr(channels, "__index__") or channels < 1:
                raise ValueError(f"{name} must be an integer >= 1, got {channels!r}")
        if basis not in ("diagram", "orbit"):
            raise ValueError(f'basis must be "diagram" or "orbit", got {basis!r}')
        if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise TypeError(f"dtype must be a floating-point torch.dtype, got {dtype!r}")
        if normalization not in ("sum", "mean", "sqrt"):
            raise ValueError(f'normalization must be "sum", "mean" or "sqrt", got {normalization!r}')
        in_channels, out_channels = int(in_channels), int(out_channels)  # NumPy's stop torch.compile
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.basis = basis
        self.normalization = normalization
        self.weight = nn.Parameter(
            torch.empty(len(self.BASIS), in_channels, out_channels, device=device, dtype=dtype)
        )
        if bias:
            self.bias = nn.Parameter(
                torch.empty(len(self.BIAS_BASIS), out_channels, device=device, dtype=dtype)
            )
        else:
            self.register_parameter("bias", None)
        self._make_tables()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights and set the bias to zero.

        For independent inputs of variance 1 and normalization "sqrt", the outputs at pairwise
        distinct indices have variance 1 in the mean over the weights, whatever n. Only
        2 of the 2 operators reach such an entry (those with every output axis in a block of
        its own), each with variance 1 once normalised, hence weights of variance
        1 / (2 in_channels). In the orbit basis an operator whose summed indices must avoid others
        has fewer terms than n to the power of its sums, and may have none. There 0.8 is shared by
        the operators that have them all at every n, and 0.6 by the others, so that the variance
        lies between 0.8 and 1.4.
        """
        with torch.no_grad():
            bound = (3 / (2 * self.in_channels)) ** 0.5  # a uniform variable has variance bound^2 / 3
            self.weight.uniform_(-bound, bound)
            if self.basis == "orbit":
                self.weight.mul_(self._spread.to(self.weight).view(-1, 1, 1))
            if self.bias is not None:
                self.bias.zero_()

    def forward(
        self,
        x: Tensor,
        mask: Tensor | dict[str, Tensor] | None = None,
        sizes: dict[str, int] | None = None,
    ) -> Tensor:
        """The layer's output, zero at padded entries.

        Args:
            x: ``(*batch, u, i, in_channels)``.
            mask: True for real nodes, bool, ``(*batch, n)`` or ``(n,)`` for all samples; with
                several index sets a dict from name to mask. Padded entries of x are replaced by
                zero, whatever they are.
            sizes: the size of every index set that no input axis has; for others it must agree.

        Returns:
            ``(*batch, u, out_channels)``, in the dtype of x or, under autocast, autocast's.

        Raises:
            ValueError: a shape, mask or size that does not fit.
            TypeError: a dtype that does not fit.
        """
        if not isinstance(x, Tensor):
            raise TypeError(f"x must be a tensor, got {type(x).__name__}")
        kind = x.device.type
        # Devices that compute have an autocast. torch 2.11 does not compile the question whether one has.
        autocast = kind != "meta" and torch.is_autocast_enabled(kind)
        if not (x.is_floating_point() if autocast else x.dtype == self.weight.dtype):
            raise TypeError(
                f"x has dtype {x.dtype} and shape {tuple(x.shape)}, "
                f"expected {self.weight.dtype}, as the weights, and {self._expected_shape()}"
            )
        sizes = self._sizes(x, sizes)
        masks = self._masks(x, mask, sizes)
        if autocast:
            # Sums stay in float32 until they are mixed: products choose their dtype themselves.
            with torch.autocast(kind, enabled=False):
                return self._compute(x, masks, sizes, torch.get_autocast_dtype(kind))
        return self._compute(x, masks, sizes, x.dtype)

    def _compute(
        self, x: Tensor, masks: dict[str, Tensor], sizes: dict[str, int], dtype: torch.dtype
    ) -> Tensor:
        wide = _wide(dtype)
        x = _zero_padding(x, (masks.get("u"), masks.get("i")))
        scale = self._scale(masks, sizes, wide)
        terms = self._terms(scale, wide)
        if self.basis == "orbit":
            scale = dict.fromkeys(scale)  # the weights carry it already

        # Contract: diagonals of blocks, sums over blocks that hold inputs only.
        c1 = _sum(x, (-2,), scale["i"])  # [0] (1)
        c2 = _sum(c1, (-2,), scale["u"])  # (0) (1)

        # Mix: products over the channels, level by level: for each number of propagating blocks.
        z1_0 = _mix((c1,), terms, 0, 1, 1, wide)  # propagating blocks: 1 of u, 0 of i
        y = z1_0  # [0]
        z0_0 = _mix((c2,), terms, 1, 1, 1, wide)  # propagating blocks: 0 of u, 0 of i
        z0_0 = self._add_bias(z0_0)
        b1 = z0_0  # (0)

        # Broadcast: from small to large, along blocks that hold outputs only and onto diagonals.
        y += b1[..., None, :]  # (0)
        y = _zero_padding(y, (masks.get("u"),)).to(dtype)
        return y

    def _expected_shape(self) -> str:
        return f"(*batch, u, i, {self.in_channels})"

    def _sizes(self, x: Tensor, sizes: dict[str, int] | None) -> dict[str, int]:
        """The size of every index set, from the axes of x and from ``sizes``."""
        shape = tuple(x.shape)
        expected = self._expected_shape()
        channels = -1
        axes = shape[-3:-1]
        if len(shape) < 3 or shape[channels] != self.in_channels:
            raise ValueError(f"x has shape {shape}, expected {expected}")
        if sizes is not None and not isinstance(sizes, dict):
            raise TypeError(f"sizes must be a dict from index set to size, got {type(sizes).__name__}")
        found = dict(sizes or {})
        for name, size in found.items():
            if name not in self.INDEX_SETS:
                raise ValueError(f"sizes names {name!r}, expected index sets among {self.INDEX_SETS}")
            if isinstance(size, bool) or not isinstance(size, (int, torch.SymInt)) or size < 0:
                raise ValueError(f"sizes[{name!r}] must be an int >= 0, got {size!r}")
        for name, size in zip(self.INPUTS, axes):
            if found.setdefault(name, size) != size:
                raise ValueError(
                    f"x has shape {shape}, expected {expected} with one size for {name!r}, "
                    f"got both {found[name]} and {size}"
                )
        for name in self.INDEX_SETS:
            if name not in found:
                raise ValueError(f"no input axis has the size of {name!r}: pass sizes={{{name!r}: ...}}")
        return found

    def _masks(
        self, x: Tensor, mask: Tensor | dict[str, Tensor] | None, sizes: dict[str, int]
    ) -> dict[str, Tensor]:
        """The mask of every index set that has one; x has its channels last here."""
        if mask is None:
            return {}
        if isinstance(mask, Tensor):
            if len(self.INDEX_SETS) != 1:
                raise ValueError(f"mask is one tensor, expected a dict with keys among {self.INDEX_SETS}")
            mask = {self.INDEX_SETS[0]: mask}
        if not isinstance(mask, dict):
            raise TypeError(f"mask must be a bool tensor or a dict of them, got {type(mask).__name__}")
        batch = x.shape[: x.dim() - 3]
        for name, real in mask.items():
            if name not in self.INDEX_SETS:
                raise ValueError(f"mask names {name!r}, expected index sets among {self.INDEX_SETS}")
            if not isinstance(real, Tensor):
                raise TypeError(f"the mask of {name!r} must be a bool tensor, got {type(real).__name__}")
            expected = (sizes[name],) if real.dim() == 1 else (*batch, sizes[name])
            fits = real.dim() == len(expected) and all(a == b for a, b in zip(real.shape, expected))
            if real.dtype != torch.bool or not fits:
                raise (ValueError if real.dtype == torch.bool else TypeError)(
                    f"the mask of {name!r} has dtype {real.dtype} and shape {tuple(real.shape)}, "
                    f"expected torch.bool and {(*batch, sizes[name])} or {(sizes[name],)}"
                )
        return mask

    def _scale(
        self, masks: dict[str, Tensor], sizes: dict[str, int], wide: torch.dtype
    ) -> dict[str, Tensor | float | None]:
        """What one sum over each index set is multiplied by; None for 1, a tensor under a mask."""
        scale: dict[str, Tensor | float | None] = {}
        for name in ("u", "i"):
            if self.normalization == "sum":
                scale[name] = None
            else:
                power = -1.0 if self.normalization == "mean" else -0.5
                # No node at all: the sum is zero, and stays zero.
                if name in masks:
                    scale[name] = masks[name].sum(-1).clamp(min=1).to(wide) ** power
                else:
                    scale[name] = max(sizes[name], 1) ** power
        return scale

    def _terms(
        self, scale: dict[str, Tensor | float | None], wide: torch.dtype
    ) -> list[tuple[Tensor | None, Tensor]]:
        """Diagram weights in the order of SLOTS, as (factor, weights); the layer is their sum.

        There is one term without a factor, but for orbit weights that are normalised by each
        sample's own counts: as merging blocks ends sums, every power of the counts has its own
        diagram weights.
        """
        slots = self._slots.to(self.weight.device)
        if self.basis == "diagram":
            return [(None, self.weight.index_select(0, slots))]
        terms: list[tuple[Tensor | None, Tensor]] = [(None, self.weight.to(wide))]
        for (name, factor), sums in zip(scale.items(), self._sums):
            if factor is None:
                continue
            sums = sums.to(self.weight.device).view(-1, 1, 1)
            if isinstance(factor, Tensor) and factor.dim():  # one count per sample
                most = len([s for s in self.INPUTS if s == name])  # torch 2.8 does not compile count()
                terms = [
                    (
                        before if power == 0 else factor**power if before is None else before * factor**power,
                        weight * (sums == power),
                    )
                    for before, weight in terms
                    for power in range(most + 1)
                ]
            else:
                # Not the power of a number: torch 2.11 cannot export it, as it asks whether that is 1 or 2.
                factors = (torch.ones_like(sums, dtype=wide) * factor) ** sums
                terms = [(before, weight * factors) for before, weight in terms]
        return [
            (factor, _to_diagram(weight, self._merges, self._steps).index_select(0, slots))
            for factor, weight in terms
        ]

    def _add_bias(self, z: Tensor) -> Tensor:
        """The level without propagating blocks plus the bias, which is broadcast like it."""
        if self.bias is None:
            return z
        bias = self.bias.to(z.dtype)
        if self.basis == "orbit":
            bias = _to_diagram(bias, self._bias_merges, self._bias_steps)
        return z + bias.flatten()

    def _make_tables(self) -> None:
        """Integer tables: where the levels find their slots and, for orbit weights, their transform."""
        self._tables = {"_slots": torch.as_tensor(SLOTS, device="cpu")}
        if self.basis == "orbit":
            strings = torch.tensor(self.BASIS, device="cpu").view(len(self.BASIS), 3)
            merges = _merges(self.BASIS, self.INPUTS + self.OUTPUTS)
            bias_merges = _merges(self.BIAS_BASIS, self.OUTPUTS)
            self._steps = [len(targets) for targets, _ in merges]
            self._bias_steps = [len(targets) for targets, _ in bias_merges]
            self._tables["_merges"] = _packed(merges)
            self._tables["_bias_merges"] = _packed(bias_merges)
            self._tables["_sums"] = _input_only_blocks(strings, self.INPUTS, self.OUTPUTS)
            self._spread = _spread(strings, self._tables["_sums"], self.INPUTS, self.OUTPUTS)
        self._place_tables()

    def _place_tables(self) -> None:
        """Puts the tables beside the weights, or on the CPU while the weights have no storage."""
        device = self.weight.device if self.weight.device.type != "meta" else torch.device("cpu")
        for name, table in self._tables.items():
            self.register_buffer(name, table.to(device), persistent=False)

    def _apply(self, fn, recurse=True):
        """Whatever moves the weights moves the tables; to_empty() must not empty them."""
        super()._apply(fn, recurse)
        self._place_tables()
        return self

    def extra_repr(self) -> str:
        """The constructor arguments, as ``print(layer)`` shows them."""
        return (
            f"{self.in_channels}, {self.out_channels}, bias={self.bias is not None}, "
            f"basis={self.basis!r}, normalization={self.normalization!r}"
        )
