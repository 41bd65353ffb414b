"""Findings about parameters: those an optimizer never sees, those without a gradient, those that get lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from symeq.auditing.load import in_one_line
from symeq.auditing.report import Finding, Verdict
from symeq.auditing.study import Study, listed
from symeq.auditing.subject import CallFailed
from symeq.auditing.weights import attributes, leaves

_MOVES = {"to", "cuda", "cpu", "double", "float", "half", "bfloat16", "type", "xpu", "npu", "contiguous_to"}


class Elsewhere(TorchFunctionMode):
    """While it lasts, ``parameter.to(...)`` gives a new tensor, as it does for another device."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if args and isinstance(args[0], nn.Parameter) and result is args[0] and func.__name__ in _MOVES:
            return result.clone()
        return result


class Bench:
    """A fresh callable in its own precision, and outputs of it at two sizes."""

    def __init__(self, study: Study, function: Any, dtype: torch.dtype) -> None:
        self.function = function
        self.subject = study.subject.using(function, dtype)
        rng = study.rng("parameters")
        usual = [s for s in study.sizes if max(s.values(), default=2) > 1][-2:] or study.sizes
        self.inputs = [(study.draw(rng, 2, sizes).to(dtype), sizes) for sizes in usual]

    def outputs(self) -> list[Tensor]:
        """The outputs now."""
        return [self.subject(x, sizes) for x, sizes in self.inputs]

    def reaches(self, tensor: Tensor) -> bool:
        """Whether other values in ``tensor`` change an output."""
        with torch.no_grad():
            before = self.outputs()
            kept = tensor.detach().clone()
            generator = torch.Generator().manual_seed(1)
            try:
                noise = torch.rand(kept.shape, generator=generator, dtype=torch.float64).to(kept.dtype) + 0.5
                tensor.detach().add_(noise)
                after = self.outputs()
            except (RuntimeError, CallFailed):
                return False
            finally:
                if not torch.equal(tensor.detach(), kept):
                    tensor.detach().copy_(kept)
        return any(
            not torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(before, after, strict=True)
        )


def own_dtype(function: Any) -> torch.dtype:
    """The precision in which the callable was made."""
    if isinstance(function, nn.Module):
        for tensor in (*function.parameters(), *function.buffers()):
            if tensor.is_floating_point():
                return tensor.dtype
    return torch.get_default_dtype()


def _seeded(study: Study, seed: int) -> Any:
    torch.manual_seed(seed)
    return study.target.build()


def unseen(study: Study) -> Finding:
    """Tensors that the output depends on and that ``parameters()`` does not list."""
    function = _seeded(study, study.seed)
    is_module = isinstance(function, nn.Module)
    bench = Bench(study, function, own_dtype(function))
    scope = "all that the output depends on is in parameters(): autograd's leaves, and tensors in attributes"
    registered = {id(tensor) for tensor in function.parameters()} if is_module else set()
    named = {id(tensor): name for name, tensor in attributes(function)}
    first = [leaf for y in bench.outputs() for leaf in leaves(y)]
    again = [leaf for y in bench.outputs() for leaf in leaves(y)]
    lasting = {id(leaf) for leaf in first} & {id(leaf) for leaf in again}
    found: dict[str, str] = {}
    for leaf in first:
        if id(leaf) in registered:
            continue
        name = named.get(id(leaf))
        if name is not None:
            found[name] = (
                f"{name}, of shape {tuple(leaf.shape)}, is trained by nobody: it is not in parameters()"
            )
        elif id(leaf) in lasting:
            found[f"shape {tuple(leaf.shape)}"] = (
                f"a tensor of shape {tuple(leaf.shape)} to which gradients flow is not in parameters()"
            )
        else:
            found[f"made {tuple(leaf.shape)}"] = (
                f"a tensor of shape {tuple(leaf.shape)} that requires a gradient is made anew in every call"
            )
    cautions: list[str] = []
    other = dict(attributes(_seeded(study, study.seed + 1))) if study.target.renewable else {}
    for name, tensor in attributes(function):
        if name in found or not tensor.is_floating_point() or id(tensor) in {id(leaf) for leaf in first}:
            continue
        if not bench.reaches(tensor):
            continue
        twin = other.get(name)
        drawn = (
            twin is not None
            and twin.shape == tensor.shape
            and not torch.equal(twin.detach(), tensor.detach())
        )
        what = f"{name}, a tensor of shape {tuple(tensor.shape)}"
        if drawn:
            found[name] = f"{what}, is drawn at random and no parameter: nothing trains, saves or moves it"
        elif is_module:
            cautions.append(f"{what}, is neither parameter nor buffer: nothing saves or moves it")
    if is_module:
        cautions += list(_fixed(study, bench, function))
    names = list(found)
    lines = [*found.values(), *cautions]
    if not is_module and not found:
        return Finding("parameters", "ok", scope, "no parameters" if not lines else "\n".join(lines[:6]))
    verdict: Verdict = "fault" if found else "caution" if cautions else "ok"
    more = [f"and {len(lines) - 6} more"] if len(lines) > 6 else []
    return Finding("parameters", verdict, scope, "\n".join([*lines[:6], *more]), {"unseen": names})


def _fixed(study: Study, bench: Bench, function: nn.Module) -> Iterator[str]:
    """Parameters that are frozen, and buffers that look like weights."""
    frozen = [name for name, tensor in function.named_parameters() if not tensor.requires_grad]
    if frozen:
        yield f"parameters that require no gradient: {listed(frozen, 4)}"
    if not study.target.renewable:
        return
    twin = _seeded(study, study.seed + 1)
    others = dict(twin.named_buffers()) if isinstance(twin, nn.Module) else {}
    for name, tensor in function.named_buffers():
        same = name in others and torch.equal(others[name], tensor)
        if tensor.is_floating_point() and not same and bench.reaches(tensor):
            yield f"{name}, a buffer drawn at random: an optimizer does not see it"


def gradients(study: Study) -> Finding:
    """Parameters that the output depends on and that get no gradient, or that it does not depend on."""
    function = _seeded(study, study.seed)
    if not isinstance(function, nn.Module) or not any(True for _ in function.parameters()):
        return Finding("gradients", "skipped", "", "no parameters")
    bench = Bench(study, function, own_dtype(function))
    scope = "every parameter gets a gradient that is not zero, and changes the output"
    totals: dict[str, float] = {}
    for y in bench.outputs():
        parameters = {n: p for n, p in function.named_parameters() if p.requires_grad}
        weights = torch.rand(y.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(
            y.dtype
        )
        found: tuple[Tensor | None, ...] = (None,) * len(parameters)
        if y.requires_grad:
            try:
                found = torch.autograd.grad(
                    (y * (weights + 0.5)).sum(), list(parameters.values()), allow_unused=True
                )
            except RuntimeError as error:
                return Finding("gradients", "fault", scope, f"the backward pass raised {in_one_line(error)}")
        for name, gradient in zip(parameters, found, strict=True):
            size = 0.0 if gradient is None else float(gradient.abs().nan_to_num(posinf=1).sum())
            totals[name] = totals.get(name, 0.0) + size
    zero = [name for name, total in totals.items() if total == 0]
    tensors = dict(function.named_parameters())
    lines: list[str] = []
    dead: list[str] = []
    cut: list[str] = []
    for name in zero:
        (cut if bench.reaches(tensors[name]) else dead).append(name)
    if cut:
        lines.append(f"the output depends on {listed(cut, 4)}, and no gradient arrives there")
    if dead:
        lines.append(f"the output does not depend on {listed(dead, 4)}")
    return Finding(
        "gradients", "fault" if lines else "ok", scope, "\n".join(lines), {"no_gradient": cut, "dead": dead}
    )


def moving(study: Study) -> Finding:
    """What ``.to(dtype)`` and ``.to(device)`` leave behind; parameters that are none on another device."""
    function = _seeded(study, study.seed)
    if not isinstance(function, nn.Module):
        return Finding("moving", "skipped", "", "a function is not moved")
    dtype = own_dtype(function)
    target = torch.float64 if dtype != torch.float64 else torch.float32
    to = f".to({str(target).removeprefix('torch.')})"
    scope = f"after {to} it runs in that precision, and every parameter still counts; made and moved as on "
    scope += "another device it keeps its parameters"
    bench = Bench(study, function, dtype)
    before = {name for name, tensor in function.named_parameters() if bench.reaches(tensor)}
    used = {
        name for name, tensor in attributes(function) if tensor.is_floating_point() and bench.reaches(tensor)
    }
    lines: list[str] = []
    verdict: Verdict = "ok"
    names = set(dict(function.named_parameters()))
    moved = _seeded(study, study.seed).to(target)
    left = [name for name, tensor in attributes(moved) if name in used and tensor.dtype != target]
    if left:
        lines.append(f".to(...) leaves {listed(left, 4)} behind")
        verdict = "fault"
    after = Bench(study, moved, target)
    try:
        after.outputs()
    except CallFailed as failed:
        lines.append(f"after {to} it {failed}")
        verdict = "fault" if left else "caution"
    else:
        lost = [n for n, tensor in moved.named_parameters() if n in before and not after.reaches(tensor)]
        if lost:
            lines.append(
                f"after .to(...) the output no longer depends on {listed(lost, 4)}: a stale copy is used"
            )
            verdict = "fault"
    if study.target.renewable:
        gone = _lost_elsewhere(study, names)
        if gone:
            lines.append(
                f"{listed(gone, 4)}: a Parameter that went through .to(...) while the module was made, which "
                "on another device is a plain tensor and in no parameters()"
            )
            verdict = "fault"
        left = left or list(_left_on_cpu(study, used))
        if left and not lines:
            lines.append(f".to(device) leaves {listed(left, 4)} behind")
            verdict = "fault"
    return Finding("moving", verdict, scope, "\n".join(lines), {"left": left})


def _lost_elsewhere(study: Study, names: set[str]) -> list[str]:
    try:
        with Elsewhere():
            made = _seeded(study, study.seed)
    except Exception:
        return []
    there = set(dict(made.named_parameters())) if isinstance(made, nn.Module) else names
    return sorted(names - there)


def _left_on_cpu(study: Study, used: set[str]) -> Iterator[str]:
    try:
        made = _seeded(study, study.seed).to("meta")
    except Exception:
        return
    yield from (name for name, tensor in attributes(made) if name in used and tensor.device.type != "meta")
