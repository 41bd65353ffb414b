"""The emitted products where channels are not mixed at the levels (``symeq.plans.mixing``)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from symeq.emit.forward import dim, listed, moved, pieces, summand, tensor
from symeq.emit.levels import Level
from symeq.emit.text import Statement, literal, repeated, wrapped
from symeq.plans.ir import COPIED, Mix, Permutation, Plan


def mixed_lines(plan: Plan, levels: Sequence[Level]) -> Iterator[Statement]:
    """The products, of tensors that are copied before them, or with sums after them."""
    if any(COPIED in permutation for mix in plan.mixes for _, permutation in mix.sources):
        for mix, level in zip(plan.mixes, levels, strict=True):
            yield from _after_copies(plan, mix, level)
        return
    started: set[int] = set()
    for mix, level in zip(plan.mixes, levels, strict=True):
        yield from _before_sums(plan, mix, level, started)
    yield _bias(plan)


def _product(plan: Plan, mix: Mix, level: Level, names: Sequence[str]) -> Iterator[Statement]:
    """Of tensors side by side, in less than float32 perhaps where nothing was summed.

    But not where nothing but a sum of the product is used: along the summed axes its gradient is one memory
    seen n times, which only a cast would write out.
    """
    product = f"z{level.name}"
    contractions = plan.contractions()
    source, permutation = mix.sources[0]
    diagonal = contractions[source].block_count < len(contractions[source].blocks)
    if len(names) == 1 and (diagonal or COPIED in permutation):
        # The product would copy such a view, too, but only where a cast has not done so.
        names = [f"{names[0]}.contiguous()"]
    features, lines = listed(names, product)
    yield from lines
    pure = not any(contractions[at].dropped for at, _ in mix.sources)
    summed = len(mix.targets) == 1 and len(mix.targets[0][1]) < mix.level
    precision = "narrow).to(wide)" if pure and not summed else "wide)"
    mixed = f"_mix({features}, terms, {level.start}, {level.rows}, {level.columns}, {precision}"
    yield Statement(f"{product} = {mixed}", f"index axes: {level.words}")


def _after_copies(plan: Plan, mix: Mix, level: Level) -> Iterator[Statement]:
    sets, product = plan.product_sets(mix), f"z{level.name}"
    contractions, broadcasts = plan.contractions(), plan.broadcast_maps()
    names = []
    for at, (source, permutation) in enumerate(mix.sources):
        code = _copied(tensor(source), permutation, sets)
        names.append(code)
        if code != tensor(source):
            names[-1] = f"s{level.name}_{at}"
            yield Statement(f"{names[-1]} = {code}", str(contractions[source]))
    yield from _product(plan, mix, level, names)
    if not mix.level:
        yield Statement(f"{product} = self._add_bias({product})")
    targets = [target for target, _ in mix.targets]
    if len(targets) == 1:
        yield Statement(f"{summand(targets[0])} = {product}", str(broadcasts[targets[0]]))
    else:
        yield pieces(product, [summand(at) for at in targets], [broadcasts[at] for at in targets])


def _copied(code: str, permutation: Permutation, sets: Sequence[str]) -> str:
    """The view whose axes are those of the product: in its order, and copied along the others."""
    kept = [axis for axis in permutation if axis != COPIED]
    code += moved(range(len(kept)), kept)
    if COPIED not in permutation:
        return code
    axes = ", ".join("None" if axis == COPIED else ":" for axis in permutation)
    sizes = [
        f"sizes[{json.dumps(name)}]" if axis == COPIED else "-1"
        for axis, name in zip(permutation, sets, strict=True)
    ]
    return f"{code}[..., {axes}, :].expand(*batch, {repeated(sizes)}, -1)"


def _before_sums(plan: Plan, mix: Mix, level: Level, started: set[int]) -> Iterator[Statement]:
    """Each piece of the product is summed and added to its target; ``started``: those that have something."""
    sets, broadcasts = plan.product_sets(mix), plan.broadcast_maps()
    yield from _product(plan, mix, level, [tensor(source) for source, _ in mix.sources])
    product = f"z{level.name}"
    names = [product]
    if len(mix.targets) > 1:
        names = [f"{product}_{at}" for at in range(len(mix.targets))]
        yield pieces(product, names, [])
    for name, (target, permutation) in zip(names, mix.targets, strict=True):
        code = _summed(name, permutation, sets)
        into = summand(target)
        start = f"{into} + " if target in started else ""
        started.add(target)
        yield Statement(f"{into} = {start}{code}", str(broadcasts[target]))


def _summed(code: str, permutation: Permutation, sets: Sequence[str]) -> str:
    """The sum over the axes that are not named, the others in the order of the target."""
    summed = [axis for axis in range(len(sets)) if axis not in permutation]
    if summed:
        scales = repeated([f"scale[{json.dumps(sets[axis])}]" for axis in summed])
        code = f"_sum({code}, {literal(dim(axis, len(sets)) for axis in summed)}, {scales})"
    return code + moved(sorted(permutation), permutation)


def _bias(plan: Plan) -> Statement:
    """The bias is added to what has no propagating blocks, which is copied along all its axes."""
    names = [summand(at) for at in plan.bias]
    if len(names) == 1:
        return Statement(f"{names[0]} = self._add_bias({names[0]})")
    whole = f"torch.cat(({', '.join(names)}), -1)"
    if len(names) > 6:
        inside = wrapped(names, " " * 16)
        whole = f"torch.cat(\n            (\n{inside}\n            ),\n            -1,\n        )"
    return pieces(f"self._add_bias({whole})", names, [])
