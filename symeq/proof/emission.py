"""The claim about emitted code: the plan of the layer step by step, its file, and who proved the source."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from symeq.errors import ProofError
from symeq.pipeline import plan as plan_of
from symeq.plans.ir import AxisMap, Plan
from symeq.proof.certificate import Step
from symeq.signature import EmitOptions, Signature

Progress: TypeAlias = Callable[[str, int, int], None]


def emitted_code(signature: Signature) -> Iterator[Step]:
    """The plan that the layer emitted for a signature carries out, and the digests of its file."""
    from symeq.emit.printer import view  # loads jinja2, which no other claim needs
    from symeq.emit.render import render, template_digest

    plan = plan_of(signature)
    yield from told(plan)
    layer = view(plan, EmitOptions())
    module = render(layer)
    content = re.search("^content:  sha256 ([0-9a-f]{64})", module.text, re.MULTILINE)
    assert content is not None, "every emitted file has its digest in its header"
    from symeq import __version__

    digests = {
        "sha256": _sha256(module.text),
        "content": content.group(1),
        "plan": layer.plan_digest,
        "template": template_digest(),
    }
    yield Step("emitted file", {"name": module.file_name, "symeq": __version__, **digests})


def told(plan: Plan) -> Iterator[Step]:
    """The steps of a plan, and that they make every slot.

    Broadcasts are told from the output back: each leads to the output by one that was told before.
    """
    for contract in plan.contracts:
        yield _map("contraction", contract.target, contract.source, contract.map)
    for move in reversed(plan.broadcasts):
        yield _map("broadcast", move.target, move.source, move.map)
    for mix in plan.mixes:
        sides = {
            "sources": [[number, list(permutation)] for number, permutation in mix.sources],
            "targets": [[number, list(permutation)] for number, permutation in mix.targets],
        }
        yield Step("matrix product", {**sides, "slots": plan.slots(mix).ravel().tolist()})
    yield Step("every weight slot", {"slots": sum(len(mix.sources) * len(mix.targets) for mix in plan.mixes)})
    yield Step("every bias slot", {"broadcasts": list(plan.bias)})


def _map(rule: str, target: int, source: int, map_: AxisMap) -> Step:
    ends = {"target": target, "source": source}
    return Step(rule, {**ends, "blocks": list(map_.blocks), "kept": list(map_.kept)})


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def attested(signature: Signature, file: Step, progress: Progress | None = None) -> Step:
    """The step that says in which settings ``symeq verify`` proved the source of ``file``, just now.

    Raises:
        ProofError: a proof failed, or another text was proved than that of the file.
    """
    from symeq.verification.source import prove_source  # loads torch, which no other claim needs

    proof = prove_source(signature, progress)
    if proof.failure:
        raise ProofError(signature, f"the source of the emitted layer is not proved: {proof.failure}")
    if (digest := _sha256(proof.source)) != file.data["sha256"]:
        raise ProofError(signature, f"sha256 {digest} was proved, and {file.data['sha256']} is emitted")
    settings = {"forward": list(proof.forward), "backward": list(proof.backward)}
    return Step("translation validation", {"file": digest, "torch": proof.torch, **settings})
