"""``audit``: other people's layers, finding by finding."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from symeq.auditing import exporting, operators, padding, parameters, values
from symeq.auditing.guess import Fit, fits
from symeq.auditing.layout import BATCH, AxisOrder
from symeq.auditing.load import Arguments, Target, leaving_no_trace, load, target_of
from symeq.auditing.report import AuditReport, Finding
from symeq.auditing.spans import Spans, quick_rank
from symeq.auditing.study import Study, ladder, off
from symeq.auditing.subject import MASK_FORMS, CallFailed, Sizes, Subject, convention_of, sizes_in_words
from symeq.auditing.watch import Watch, watched
from symeq.auditing.weights import Weights, attributes, cast, leaves
from symeq.combinatorics.partitions import count
from symeq.errors import AuditError, OptionError, TooLargeError
from symeq.signature import Signature, Spec, check_seed

Progress: TypeAlias = Callable[[str, int, int], None]

MOST_OPERATORS = 1000
"""Above, an audit is refused: the ranks of so many operators are counted exactly."""

FINDINGS = (
    "layout",
    "sizes",
    "repeatability",
    "train and eval",
    "batch",
    "linearity",
    "equivariance",
    "operators",
    "channels",
    "repeated",
    "bias",
    "padding: real entries",
    "padding: padded entries",
    "padding: NaN",
    "parameters",
    "gradients",
    "moving",
    "export",
)


def audit(
    target: Any,
    signature: Spec,
    layout: str | None = None,
    *,
    init: Arguments = None,
    call: Arguments = None,
    mask: str | Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    export: bool = True,
    seed: int = 0,
    time_limit: float = 60.0,
    progress: Progress | None = None,
) -> AuditReport:
    """What scrutiny of a layer that somebody wrote finds: is it the equivariant linear layer it should be?

    The code is run: imported, constructed, called at many sizes, exported. It is called in eval mode, in
    float64 where it can be, with integers as inputs and parameters, so that sums are exact. The findings hold
    at the sizes that their ``scope`` names.

    Args:
        target: ``"MODULE:NAME"`` (a module's name or the path of a .py file), or the object itself: a layer
            class, a factory, a module, or a function of the input that returns a map or a stack of operators.
        signature: of what it should be: a string, a pair of orders, a ``Signature``.
        layout: the order of its axes, such as ``"b c n n -> b c op n n"``; guessed if left out.
        init: arguments of the constructor: as text (``"in_channels=2, out_channels=3"``), a dict, or a
            sequence. Channels are filled in where they are missing.
        call: further arguments of every call, likewise; the name of an index set means its size.
        mask: the name of the mask argument, or, with several index sets, ``"u=u_mask"`` and so on; guessed if
            left out.
        ignore: findings whose faults do not count.
        export: whether ``torch.export`` is tried, which may take long.
        seed: of the random inputs, parameters and permutations.
        time_limit: seconds that the import, the constructor or one call may take.
        progress: called with the name of a check and how many of how many are done; at the end with "done".

    Raises:
        AuditError: a target that cannot be found, imported, made or called, that hangs, or fits no layout.
        LayoutError, SignatureError, OptionError: arguments that cannot be read.
        TooLargeError: a signature with more operators than can be counted exactly.
    """
    wanted = Signature.of(signature)
    given = None if layout is None else AxisOrder.parse(layout, wanted)
    if (number := count(wanted.positions)) > MOST_OPERATORS:
        raise TooLargeError(
            f"number of operators of {wanted}", number, MOST_OPERATORS, "Audit a layer of lower order."
        )
    ignored = tuple(ignore)
    for name in ignored:
        if name not in FINDINGS:
            raise OptionError("ignore", name, f"one of {', '.join(FINDINGS)}")
    if not isinstance(time_limit, int | float) or not time_limit > 0:
        raise OptionError("time_limit", time_limit, "a number of seconds above 0")
    check_seed(seed)
    if not isinstance(mask, str | Sequence | None):
        raise OptionError("mask", mask, "the name of an argument, or a list of them")
    masks = (mask,) if isinstance(mask, str) else tuple(mask or ())
    name = target if isinstance(target, str) else _name_of(target)
    watch = Watch(name, time_limit)
    tell = progress or (lambda what, done, total: None)

    def work() -> AuditReport:
        torch.set_num_threads(1)  # thousands of small calls, on which threads would only wait
        found = load(target, watch) if isinstance(target, str) else target
        made = target_of(name, found, init, watch)
        study, fit, order = _prepare(made, wanted, given, call, masks, watch, seed)
        findings = (order, *_findings(study, fit, export, tell))
        return AuditReport(made.name, str(wanted), str(fit.order), given is None, seed, findings, ignored)

    # What is changed is restored out here, as a thread that hangs never gets there.
    threads = torch.get_num_threads()
    with leaving_no_trace(), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the audited code, and of torch about it
        torch.manual_seed(seed)
        try:
            report = watched(watch, work)
        finally:
            torch.set_num_threads(threads)
    tell("done", len(FINDINGS), len(FINDINGS))
    return report


def _name_of(target: Any) -> str:
    name = getattr(target, "__qualname__", None) or getattr(target, "__name__", None)
    return str(name) if name else f"an instance of {type(target).__name__}"


# ---------------------------------------------------------------- preparation


def _prepare(
    target: Target,
    signature: Signature,
    given: AxisOrder | None,
    call: Arguments,
    masks: Sequence[str],
    watch: Watch,
    seed: int,
) -> tuple[Study, Fit, Finding]:
    convention = convention_of(target.name, target.build(), signature, call, masks)
    found: list[Fit] = []
    problem: AuditError | None = None
    for dtype in (torch.float64, torch.float32):
        function = cast(target.build(), dtype)
        try:
            found = fits(target, function, signature, given, convention, watch, dtype)
            break
        except AuditError as error:
            problem = problem or error
    if not found:
        assert problem is not None, "no fit without a reason"
        raise problem

    def subject_of(fit: Fit) -> Subject:
        return Subject(target, function, fit.order, fit.convention, fit.shape, watch, seed, dtype)

    scores = (
        [_score(subject_of(fit), signature, fit, seed) for fit in found] if len(found) > 1 else [(True, 0)]
    )
    # With a batch axis, if that runs: code that takes the batch axis for the nodes runs without one, too.
    best = max(range(len(found)), key=lambda at: (BATCH in found[at].order.inputs, scores[at], -at))
    fit = found[best]
    subject = subject_of(fit)
    if fit.convention.mask_needed and not bool(subject(_ones(subject, fit.sizes[0]), fit.sizes[0]).any()):
        # Nothing comes out where all nodes are real: the mask must be True for padding.
        inverted = not fit.convention.mask_inverted
        subject.convention = replace(fit.convention, mask_inverted=inverted)
    study = Study(target, signature, subject, _weights(subject, fit, signature, target), seed)
    return study, fit, _layout(given, found, scores, best)


def _layout(
    given: AxisOrder | None, found: Sequence[Fit], scores: Sequence[tuple[bool, int]], best: int
) -> Finding:
    """Which order of the axes the findings are about, and whether another would explain the code better."""
    if given is not None:
        return Finding("layout", "ok", f'"{given}", as given')
    fit = found[best]
    scope = (
        f'"{fit.order}", guessed from the shapes that come out at {"; ".join(map(sizes_in_words, fit.sizes))}'
    )
    others = [str(other.order) for other in found if other is not fit]
    data = {"others": others}
    better = [at for at in range(len(found)) if scores[at] > scores[best]]
    if not better:
        detail = f"it also runs as {'; '.join(others[:3])}" if others else ""
        return Finding("layout", "ok", scope, detail, data)
    other = max(better, key=lambda at: scores[at])
    detail = (
        f'it also runs as "{found[other].order}", which explains it better (equivariant and linear: '
        f"{'yes' if scores[other][0] else 'no'}, operators: {scores[other][1]} and not {scores[best][1]}). "
        "Tell the layout if that is meant"
    )
    return Finding("layout", "caution", scope, detail, data)


def _weights(subject: Subject, fit: Fit, signature: Signature, target: Target) -> Weights:
    """The parameters, and tensors that should be some: autograd's leaves, and those drawn at random."""
    function = subject.function
    found: dict[int, tuple[str, Tensor]] = {}
    if isinstance(function, nn.Module):
        for name, parameter in function.named_parameters():
            if parameter.is_floating_point():
                found[id(parameter)] = (name, parameter)
    sizes = fit.sizes[0]
    reached = {id(leaf) for leaf in leaves(subject(_ones(subject, sizes), sizes))}
    torch.manual_seed(subject.seed + 1)
    twin = dict(attributes(target.build())) if target.renewable else {}
    for name, tensor in attributes(function):
        if not tensor.is_floating_point():
            continue
        other = twin.get(name)
        drawn = other is not None and not torch.equal(other.detach().to(tensor.dtype), tensor.detach())
        if id(tensor) in reached or drawn:
            found.setdefault(id(tensor), (name, tensor))
    return Weights(tuple(name for name, _ in found.values()), tuple(tensor for _, tensor in found.values()))


def _ones(subject: Subject, sizes: Sizes) -> Tensor:
    return torch.ones(1, *subject.shape_in(sizes), subject.shape.in_channels, dtype=subject.dtype)


def _score(subject: Subject, signature: Signature, fit: Fit, seed: int) -> tuple[bool, int]:
    """How well a guessed axis order explains the code: is it equivariant, how many operators does it span."""
    study = Study(subject.target, signature, subject, _weights(subject, fit, signature, subject.target), seed)
    kept = study.weights.get()
    try:
        study.sizes, study.full = [fit.sizes[-1]], fit.sizes[-1]
        equivariant = values.equivariance(study).verdict == "ok"
        linear = values.linearity(study).verdict == "ok"
        return equivariant and linear, quick_rank(study) if equivariant and linear else 0
    except CallFailed:
        return False, -1
    finally:
        study.weights.set(kept)


def _masked(study: Study) -> tuple[Subject | None, Finding | None]:
    """The subject with the form of its mask; or what is to be said of a mask argument that takes none."""
    subject = study.subject
    convention = subject.convention
    if not convention.masks:
        return None, None
    if convention.mask_needed:
        return subject, None
    rng, sizes = study.rng("mask"), study.sizes[-1]
    study.randomise(rng)
    x = study.draw(rng, 3, sizes)
    plain = subject(x, sizes)
    failures: list[str] = []
    candidates: list[Subject] = []
    forms = MASK_FORMS if study.signature.inputs else MASK_FORMS[:2]
    for inverted in dict.fromkeys((convention.mask_inverted, not convention.mask_inverted)):
        for form in forms:
            other = subject.using(subject.function)
            other.convention = replace(convention, mask_form=form, mask_inverted=inverted)
            masks = {name: torch.ones(3, size, dtype=torch.bool) for name, size in sizes.items()}
            try:
                same = off(other(x, sizes, masks), plain)
            except CallFailed as failed:
                failures.append(f"{form}: it {failed}")
                continue
            if same <= study.tolerance:
                candidates.append(other)
            else:
                failures.append(f"{form}: with all nodes real it gives other values than without a mask")
    for candidate in candidates:
        if all(found.verdict != "fault" for found in padding.padding(study, candidate)):
            return candidate, None
    if candidates:
        return candidates[0], None
    words = ", ".join(convention.masks.values())
    detail = "\n".join(failures[:3])
    return None, Finding(
        "padding: real entries",
        "fault",
        f"argument {words}, all nodes real, in the forms {', '.join(forms)}; {sizes_in_words(sizes)}",
        detail,
    )


# ---------------------------------------------------------------- all findings


def _findings(study: Study, fit: Fit, export: bool, tell: Progress) -> Iterator[Finding]:
    sizes, full, large = ladder(study.signature, fit.shape.operators * fit.shape.out_channels)
    total = len(FINDINGS)
    done = 1

    def made(name: str, check: Callable[[], Finding | list[Finding]]) -> list[Finding]:
        nonlocal done
        tell(name, done, total)
        done += 1
        try:
            found = check()
        except CallFailed as failed:
            return [Finding(name, "fault", "", f"it {failed}")]
        return found if isinstance(found, list) else [found]

    with torch.no_grad():
        yield from made("sizes", lambda: values.sizes_finding(study, sizes, full, large, list(fit.sizes)))
        if not study.sizes:
            return
        repeated = made("repeatability", lambda: values.repeatability(study))
        yield from repeated
        yield from made("train and eval", lambda: values.modes(study, repeated[0].verdict == "ok"))
        yield from made("batch", lambda: values.batches(study))
        linear = made("linearity", lambda: values.linearity(study))
        yield from linear
        equivariant = made("equivariance", lambda: values.equivariance(study))
        yield from equivariant
    stack = study.stacked and study.subject.shape.operators > 1
    if linear[0].verdict == "fault" and not stack:
        yield Finding("operators", "skipped", "", "not looked at, since it is not linear")
    elif equivariant[0].verdict == "fault" and not stack:
        yield Finding("operators", "skipped", "", "not looked at, since it is not equivariant")
    else:
        spans = Spans(study)
        yield from made("operators", lambda: operators.operators(study, spans))
        yield from made("bias", lambda: operators.bias(study, spans))
    with torch.no_grad():
        yield from made("padding: real entries", lambda: _padding(study))
    yield from made("parameters", lambda: parameters.unseen(study))
    yield from made("gradients", lambda: parameters.gradients(study))
    yield from made("moving", lambda: parameters.moving(study))
    if export:
        yield from made("export", lambda: exporting.export(study))


def _padding(study: Study) -> list[Finding]:
    masked, complaint = _masked(study)
    return [complaint] if complaint is not None else padding.padding(study, masked)
