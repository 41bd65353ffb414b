"""symeq: every permutation-equivariant linear layer, derived, emitted and verified.

    import symeq
    basis = symeq.basis("n n -> n n")           # the 15 operators, as SymPy, as matrices
    Layer = symeq.layer("n n -> n n")           # a torch.nn.Module class
    symeq.generate("n n -> n n", "my_layers/")  # the same as a standalone file
    symeq.verify("my_layers/equivariant_2to2.py").ok
    symeq.prove("n n -> n n").check().ok        # exact claims, re-derived by an independent checker
    symeq.audit("their_layers.py:Layer", "n n -> n n")  # scrutiny of a layer that somebody wrote

A spec is a string such as ``"u i -> u"``, a pair of orders ``(k, k')``, or a ``Signature``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symeq.bases.derive import derive as basis
from symeq.errors import SymeqError
from symeq.layers import layer
from symeq.pipeline import generate, plan
from symeq.signature import Layout, Signature, Spec

if TYPE_CHECKING:
    from symeq.auditing.load import Arguments
    from symeq.auditing.report import AuditReport
    from symeq.proof.certificate import Certificate
    from symeq.proof.prover import Progress as ProofProgress
    from symeq.signature import Layout
    from symeq.tuning import Tuning
    from symeq.verification.checks import Progress
    from symeq.verification.load import Target
    from symeq.verification.report import VerificationReport

__version__ = "0.1.0"

__all__ = [
    "Signature",
    "SymeqError",
    "__version__",
    "audit",
    "basis",
    "generate",
    "layer",
    "plan",
    "prove",
    "tune",
    "verify",
]


def prove(spec: Spec, *, progress: ProofProgress | None = None, code: bool = False) -> Certificate:
    """The exact claims about a signature's operators and its layer, as a ``Certificate``.

    See ``symeq.proof.prover.prove``, which this calls; it loads SymPy, and torch if ``code`` is asked for.
    """
    from symeq.proof import prover

    return prover.prove(spec, progress, code)


def tune(
    spec: Spec,
    made_for: str = "",
    *,
    repeats: int = 15,
    layout: Layout = "channels-last",
    progress: ProofProgress | None = None,
) -> Tuning:
    """The fastest of the best few ways to compute a layer, measured on this machine.

    ``symeq.generate(spec, out, choices=found.choices, made_for=found.made_for)`` writes it, for
    ``layout`` "channels-first" with ``layout=`` as well. See
    ``symeq.tuning.tune``, which this calls; it loads torch.
    """
    from symeq import tuning

    return tuning.tune(spec, made_for, repeats=repeats, layout=layout, progress=progress)


def verify(
    target: Target, signature: Spec | None = None, *, seed: int = 0, progress: Progress | None = None
) -> VerificationReport:
    """What holding a layer (a file, a class or a spec) against its definition finds.

    See ``symeq.verification.checks.verify``, which this calls; it loads torch.
    """
    from symeq.verification import checks

    return checks.verify(target, signature, seed=seed, progress=progress)


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
    """What scrutiny of a layer that somebody wrote finds.

    See ``symeq.auditing.checks.audit``, which this calls; it loads torch, and it runs the layer's code.
    """
    from symeq.auditing import checks

    return checks.audit(
        target,
        signature,
        layout,
        init=init,
        call=call,
        mask=mask,
        ignore=ignore,
        export=export,
        seed=seed,
        time_limit=time_limit,
        progress=progress,
    )
