"""Faults in what other people's code leans on: constants, arguments, parameters, refusals."""

from __future__ import annotations

from collections.abc import Iterator

from symeq.combinatorics.partitions import count
from symeq.mutation.contract import Attributes, Refusal, WrongCall
from symeq.mutation.faults import FAULTS, Change, Fault, Original, fault
from symeq.mutation.kinds import everything, has_axes, repeats_out, several_operators

_LOOK = (Attributes(),)


# ---------------------------------------------------------------- constants


@fault(several_operators, large=True)
def rows_of_basis_swapped(original: Original) -> Iterator[Change]:
    """Two rows of BASIS are exchanged: alone, or with their weights, so that only the order is wrong."""
    last = count(original.signature.positions) - 1
    if not last:
        return
    code = f"rows = [*Layer.BASIS]\nrows[{last - 1}], rows[{last}] = rows[{last}], rows[{last - 1}]\n"
    code += "Layer.BASIS = tuple(rows)"
    yield Change("the last two", original.appended(code), _LOOK)
    swapped = f"{{{last}: {last - 1}, {last - 1}: {last}}}"
    slots = f"SLOTS = [{swapped}.get(slot, slot) for slot in torch.as_tensor(SLOTS).tolist()]"
    yield Change("the last two, with their weights", original.appended(f"{code}\n{slots}"), _LOOK)


@fault(several_operators)
def row_of_basis_twice(original: Original) -> Iterator[Change]:
    """A row of BASIS stands for two slots."""
    if count(original.signature.positions) > 1:
        yield Change(
            "the first", original.appended("Layer.BASIS = (Layer.BASIS[0], *Layer.BASIS[:-1])"), _LOOK
        )


@fault(everything)
def basis_can_be_changed(original: Original) -> Iterator[Change]:
    """BASIS is a list."""
    yield Change("a list", original.appended("Layer.BASIS = [*Layer.BASIS]"), _LOOK)


@fault(repeats_out, large=True)
def rows_of_bias_basis_swapped(original: Original) -> Iterator[Change]:
    """The rows of BIAS_BASIS are reversed, alone or together with the bias."""
    if count(original.signature.outputs) < 2:
        return
    code = "Layer.BIAS_BASIS = Layer.BIAS_BASIS[::-1]"
    yield Change("reversed", original.appended(code), _LOOK)
    flipped = ("return z + bias.flatten()", "return z + bias.flip(0).flatten()")
    yield Change("reversed, with the bias", original.appended(code, flipped), _LOOK)


@fault(has_axes)
def wrong_layout_told(original: Original) -> Iterator[Change]:
    """LAYOUT names the other layout."""
    if not original.signature.positions:
        return  # the two are one
    other = "channels-last" if original.layout == "channels-first" else "channels-first"
    text = original.replaced((f'LAYOUT = "{original.layout}"', f'LAYOUT = "{other}"'))
    yield Change(other, text, _LOOK)


# ---------------------------------------------------------------- arguments


@fault(everything)
def default_changed(original: Original) -> Iterator[Change]:
    """An option has another default."""
    for old, new in (
        ("bias: bool = True", "bias: bool = False"),
        ('basis: str = "diagram"', 'basis: str = "orbit"'),
        ('normalization: str = "mean"', 'normalization: str = "sum"'),
        ("dtype: torch.dtype | None = None", "dtype: torch.dtype | None = torch.float64"),
    ):
        yield Change(new, original.replaced((old, new)), _LOOK)


@fault(everything)
def arguments_in_another_order(original: Original) -> Iterator[Change]:
    """Two options are exchanged."""
    bias, basis = "        bias: bool = True,\n", '        basis: str = "diagram",\n'
    yield Change("basis before bias", original.replaced((bias + basis, basis + bias)), _LOOK)


@fault(everything)
def dtype_ignored(original: Original) -> Iterator[Change]:
    """The parameters have the default dtype."""
    text = original.replaced((", device=device, dtype=dtype)", ", device=device)"))
    yield Change("dtype=", text, _LOOK)


@fault(everything)
def options_not_shown(original: Original) -> Iterator[Change]:
    """extra_repr does not tell the basis."""
    text = original.replaced(('f"basis={self.basis!r}, normalization', 'f"normalization'))
    yield Change("basis", text, _LOOK)


# ---------------------------------------------------------------- parameters


@fault(everything)
def parameters_in_another_order(original: Original) -> Iterator[Change]:
    """The bias is registered before the weight."""
    made = "        self._make_tables()\n        self.reset_parameters()\n"
    moved = '        self._parameters["weight"] = self._parameters.pop("weight")\n'
    yield Change("bias first", original.replaced((made, made + moved)), _LOOK)


@fault(everything)
def parameter_of_another_name(original: Original) -> Iterator[Change]:
    """The weight is called otherwise in checkpoints."""
    yield Change("kernel", original.replaced(("self.weight", "self.kernel")), _LOOK)


@fault(everything)
def parameter_too_many(original: Original) -> Iterator[Change]:
    """There is a third parameter."""
    made = "        self.reset_parameters()\n"
    text = original.replaced((made, f"{made}        self.scale = nn.Parameter(torch.ones(1))\n"))
    yield Change("scale", text, _LOOK)


@fault(everything)
def parameter_of_another_shape(original: Original) -> Iterator[Change]:
    """The weight has its channels the other way round, and is used so."""
    text = original.replaced(
        (
            "torch.empty(len(self.BASIS), in_channels, out_channels",
            "torch.empty(len(self.BASIS), out_channels, in_channels",
        ),
        ("self.weight.index_select(0, slots)", "self.weight.transpose(1, 2).index_select(0, slots)"),
        ("self.weight.to(wide)", "self.weight.transpose(1, 2).to(wide)"),
    )
    yield Change("(slots, out, in)", text, _LOOK)


@fault(everything)
def tables_in_the_state(original: Original) -> Iterator[Change]:
    """state_dict holds more than weight and bias."""
    yield Change("the tables", original.replaced(("persistent=False", "persistent=True")), _LOOK)


@fault(everything)
def bias_does_not_start_at_zero(original: Original) -> Iterator[Change]:
    """A new layer has a bias."""
    text = original.replaced(("self.bias.zero_()", "self.bias.fill_(1)"))
    yield Change("ones", text, _LOOK)


@fault(everything)
def bias_not_left_out(original: Original) -> Iterator[Change]:
    """With bias=False there is one all the same."""
    yield Change("bias=False", original.replaced(("        if bias:\n", "        if True:\n")), _LOOK)


@fault(everything)
def parameter_not_trained(original: Original) -> Iterator[Change]:
    """The bias requires no gradient."""
    made = "        self.reset_parameters()\n"
    text = original.replaced(
        (made, f"{made}        self._parameters['bias'] is None or self.bias.requires_grad_(False)\n")
    )
    yield Change("bias", text, _LOOK)


# ---------------------------------------------------------------- refusals


def _accepted(call: WrongCall, check: str, instead: str) -> None:
    """Registers the fault that a wrong call is not refused: ``check`` is replaced."""
    refusal = Refusal(call)

    def build(original: Original) -> Iterator[Change]:
        if refusal.possible(original.signature):
            yield Change("not refused", original.replaced((check, instead)), [refusal])

    FAULTS.append(Fault(f"{call}: not refused", refusal.possible, build))


_accepted(
    "two sizes of one index set", "if found.setdefault(name, size) != size:", "if found.update({name: size}):"
)
_accepted(
    "sizes that disagree with x", "if found.setdefault(name, size) != size:", "if found.update({name: size}):"
)
_accepted(
    "a size that is missing",
    "            if name not in found:\n",
    "            if found.setdefault(name, 2) < 0:\n",
)
_accepted(
    "a mask of another length", "if real.dtype != torch.bool or not fits:", "if real.dtype != torch.bool:"
)
_accepted("a mask that is not bool", "if real.dtype != torch.bool or not fits:", "if not fits:")
_accepted("too many channels", "shape[channels] != self.in_channels", "False")
_accepted("another dtype", "x.dtype == self.weight.dtype)", "True)")
_accepted("an unknown basis", 'if basis not in ("diagram", "orbit"):', "if False:")
_accepted("an unknown normalization", 'if normalization not in ("sum", "mean", "sqrt"):', "if False:")
_accepted("no channels", " or channels < 1:", ":")
