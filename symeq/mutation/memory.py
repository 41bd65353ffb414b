"""Faults of a layer that remembers, changes what it is given, or does not survive being moved or copied."""

from __future__ import annotations

from collections.abc import Iterator

from symeq.mutation.faults import Change, Original, fault
from symeq.mutation.kinds import coarsens, everything, has_axes, has_inputs, situation


@fault(everything)
def wrong_on_the_second_call(original: Original) -> Iterator[Change]:
    """A counter: right the first time."""
    code = "self._calls = getattr(self, '_calls', 0) + 1\nif self._calls > 1:\n    y = 2 * y"
    yield Change("a counter", original.wrapped(after=code), [situation(original, before="same shape")])


@fault(everything)
def wrong_on_a_late_call(original: Original) -> Iterator[Change]:
    """A counter: right two hundred times."""
    code = "self._calls = getattr(self, '_calls', 0) + 1\nif self._calls > 200:\n    y = 2 * y"
    probes = [situation(original, before="same shape", calls=200)]
    yield Change("a counter", original.wrapped(after=code), probes)


@fault(everything)
def wrong_now_and_then(original: Original) -> Iterator[Change]:
    """One call in fifty is wrong, by chance."""
    code = "if float(torch.rand(())) < 0.02:\n    y = 2 * y"
    probes = [situation(original, seed=seed) for seed in range(500)]
    yield Change("2 %", original.wrapped(after=code), probes)


@fault(everything)
def result_kept_by_shape(original: Original) -> Iterator[Change]:
    """The result of an earlier input of the same shape is given again."""
    code = "y = self.__dict__.setdefault('_kept', {}).setdefault(x.shape, y)"
    yield Change("a cache", original.wrapped(after=code), [situation(original, before="same shape")])


@fault(has_inputs)
def normaliser_kept(original: Original) -> Iterator[Change]:
    """The normalisers of the first call are used for all."""
    head = """
    _scale = Layer._scale
    Layer._scale = lambda self, *given: self.__dict__.setdefault("_kept", _scale(self, *given))
    """
    probes = [situation(original, before="other size", normalization="mean")]
    yield Change("of the first size", original.appended(head), probes)


@fault(everything)
def weights_kept(original: Original) -> Iterator[Change]:
    """The weights of the first call are used for all."""
    head = """
    _terms = Layer._terms
    Layer._terms = lambda self, *given: self.__dict__.setdefault(
        "_kept", [(factor, weight.detach().clone()) for factor, weight in _terms(self, *given)]
    )
    """
    yield Change("of the first call", original.appended(head), [situation(original, before="other weights")])


@fault(everything)
def memory_of_the_result_used_again(original: Original) -> Iterator[Change]:
    """Without gradients, a second call overwrites the result of the first."""
    code = """
    if not y.requires_grad:
        y = self.__dict__.setdefault("_memory", {}).setdefault((y.shape, y.dtype), y.clone()).copy_(y)
    """
    probes = [situation(original, before="same shape", kept=True, context="no grad")]
    yield Change("one buffer", original.wrapped(after=code), probes)


@fault(everything)
def input_changed(original: Original) -> Iterator[Change]:
    """The given x is changed in place."""
    for code in ("x.detach().mul_(2)", "x.detach().zero_()"):
        yield Change(code, original.wrapped(after=code), [situation(original)])


@fault(has_inputs)
def padding_zeroed_in_place(original: Original) -> Iterator[Change]:
    """Padding of the given x is overwritten."""
    text = original.replaced(("x.masked_fill(~real, 0)", "x.masked_fill_(~real, 0)"))
    yield Change("masked_fill_", text, [situation(original, mask="own")])


@fault(has_axes)
def mask_changed(original: Original) -> Iterator[Change]:
    """The given mask is changed in place."""
    code = """
    for real in mask.values() if isinstance(mask, dict) else [mask]:
        if real is not None:
            real.fill_(True)
    """
    yield Change("all True", original.wrapped(after=code), [situation(original, mask="own")])


@fault(has_axes)
def sizes_changed(original: Original) -> Iterator[Change]:
    """The given dict of sizes is emptied."""
    code = "if sizes:\n    sizes.clear()"
    yield Change("clear()", original.wrapped(after=code), [situation(original, all_sizes=True)])


@fault(everything)
def conversion_changes_the_weights(original: Original) -> Iterator[Change]:
    """layer.to(dtype) doubles the weights."""
    moved = "        super()._apply(fn, recurse)\n"
    text = original.replaced((moved, f"{moved}        self.weight.data.mul_(2)\n"))
    yield Change("doubled by _apply", text, [situation(original, birth="converted")])


@fault(lambda signature: coarsens(signature) or has_inputs(signature))
def copy_forgets_its_options(original: Original) -> Iterator[Change]:
    """A deep copy has the default basis and normalization."""
    head = """
    def _copied(self, memo):
        copied = Layer(self.in_channels, self.out_channels, self.bias is not None, dtype=self.weight.dtype)
        copied.load_state_dict(self.state_dict())
        return copied

    Layer.__deepcopy__ = _copied
    """
    probes = [situation(original, birth="copied", basis=basis) for basis in ("orbit", "diagram")]
    yield Change("of basis and normalization", original.appended(head), probes)


@fault(everything)
def loading_changes_the_weights(original: Original) -> Iterator[Change]:
    """load_state_dict takes in the weights with the wrong sign, or leaves the bias as it is."""
    head = """
    _load = Layer._load_from_state_dict

    def _loaded(self, *given):
        _load(self, *given)
        {}

    Layer._load_from_state_dict = _loaded
    """
    for code in ("self.weight.data.neg_()", "self.bias is None or self.bias.data.zero_()"):
        yield Change(code, original.appended(head.format(code)), [situation(original)])
