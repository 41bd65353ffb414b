"""``run_ladder``: which rows there are, which of them the store has, and the others made."""

from __future__ import annotations

import signal
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from symeq import pipeline
from symeq.allocator import return_large_blocks
from symeq.combinatorics.partitions import count
from symeq.errors import OptionError, TooLargeError, WorkerError
from symeq.ladder.report import LadderReport
from symeq.ladder.row import Orders, Progress, Row, Verify, make_row
from symeq.ladder.store import Key, Store, key_of
from symeq.plans.cost import steps
from symeq.process import output_aside
from symeq.signature import Signature

MOST_OPERATORS = 1_000_000
"""Above, a layer can be emitted and not verified (``symeq.verification``)."""

MOST_AXES = 1000
"""Above, not even the operators are counted."""


def run_ladder(
    orders: int | Sequence[Orders],
    *,
    jobs: int = 1,
    store: str | Path | None = None,
    again: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    verify: Verify | None = None,
) -> LadderReport:
    """What counting, emitting and verifying every order of the ladder finds.

    Args:
        orders: M for every (k, k') with k + k' <= M, or the pairs themselves.
        jobs: processes, the heaviest rows first; -1 for as many as there are processors.
        store: a folder where rows that hold are kept as soon as each is done. A row that is there, for the
            same emitted text, sources of symeq, libraries and seed, is not made again.
        again: make all rows, whatever is in the store.
        seed: of the random numbers of the verification.
        progress: called with a row and how much is done of how much.
        verify: called with the path of an emitted file, ``seed=`` and ``progress=``, for its report; by
            default ``symeq.verification.verify``, asked to be brief.

    Raises:
        OptionError, SignatureError: a number of jobs, or orders, that cannot be.
        TooLargeError: an order that cannot be emitted or verified; nothing has been done then.
        WorkerError: a process was killed; the rows that were done are in the store.
    """
    if jobs < 1 and jobs != -1:
        raise OptionError("jobs", jobs, "an integer >= 1, or -1")
    pairs = pairs_of(orders)
    if verify is None:
        from symeq.verification import verify_briefly  # loads torch

        verify = verify_briefly
    tell = progress or (lambda what, done, total: None)
    kept = Store(Path(store)) if store is not None else None
    rows: dict[Orders, Row] = {}
    todo: dict[Orders, Path] = {}
    keys: dict[Orders, Key] = {}
    notes: list[str] = []
    with TemporaryDirectory(prefix="symeq-ladder-", ignore_cleanup_errors=True) as folder:
        for pair in sorted(pairs, key=_weight, reverse=True):
            tell(f"emitting {_arrow(pair)}", 0, 1)
            module = pipeline.emit(pair)
            keys[pair] = key_of(pair, module.text, verify, seed)
            row, word = kept.load(keys[pair]) if kept is not None and not again else (None, "")
            notes += [word] if word else []
            if row is not None:
                rows[pair] = row
            else:
                todo[pair] = Path(folder) / module.file_name
                todo[pair].write_text(module.text, encoding="utf-8")
        with closing(_made(todo, verify, seed, jobs, tell)) as made:
            for pair, row in made:
                rows[pair] = row
                word = kept.save(keys[pair], row) if kept is not None and row.ok else ""
                notes += [word] if word else []
    return LadderReport(tuple(rows[pair] for pair in pairs), seed, tuple(notes))


def pairs_of(orders: int | Sequence[Orders]) -> tuple[Orders, ...]:
    """The orders (k, k') of the ladder, by k + k' and k; each can be emitted and verified.

    >>> pairs_of(1)
    ((0, 0), (0, 1), (1, 0))

    Raises:
        OptionError: M is negative, or there are no pairs.
        SignatureError: a pair that is none of orders.
        TooLargeError: more axes, operators or steps than can be.
    """
    if isinstance(orders, int):
        if isinstance(orders, bool) or orders < 0:
            raise OptionError("orders", orders, "an integer >= 0, or pairs of orders")
        _refuse((orders, 0))  # as many operators as any of its sum, and the most steps
        each: list[Orders] = [(k, m - k) for m in range(orders + 1) for k in range(m + 1)]
    else:
        signatures = [Signature.of(tuple(pair)) for pair in orders]  # type: ignore[arg-type]  # it refuses all but two integers
        each = sorted({(s.order_in, s.order_out) for s in signatures}, key=lambda pair: (sum(pair), pair))
    if not each:
        raise OptionError("orders", orders, "an integer >= 0, or pairs of orders")
    for pair in each:
        _refuse(pair)
    return tuple(each)


def _refuse(pair: Orders) -> None:
    if sum(pair) > MOST_AXES:
        raise TooLargeError(f"axes of {_arrow(pair)}", sum(pair), MOST_AXES, _REMEDY)
    signature = Signature.from_orders(*pair)
    if (operators := count(signature.positions)) > MOST_OPERATORS:
        raise TooLargeError(f"number of operators of {_arrow(pair)}", operators, MOST_OPERATORS, _REMEDY)
    if (lines := steps(signature)) > pipeline.MOST_STEPS:
        raise TooLargeError(f"number of steps of {_arrow(pair)}", lines, pipeline.MOST_STEPS, _REMEDY)


_REMEDY = "All k + k' <= 8 can be verified; `symeq count` gives exact dimensions at any order."


def _arrow(pair: Orders) -> str:
    return f"{pair[0]} -> {pair[1]}"


def _weight(pair: Orders) -> int:
    """About how long a row takes, against others."""
    return int(8 * 2 ** sum(pair)) + count(("n",) * sum(pair))


# ---------------------------------------------------------------- processes


def _made(
    paths: dict[Orders, Path], verify: Verify, seed: int, jobs: int, tell: Progress
) -> Generator[tuple[Orders, Row], None, None]:
    """The rows of emitted files, as soon as each is done."""
    if jobs == -1:
        from joblib import cpu_count

        jobs = cpu_count()
    jobs = min(jobs, len(paths))
    done, total = 0, sum(map(_weight, paths))
    tell("", 0, total)
    if jobs > 1:
        with closing(_made_by_processes(paths, verify, seed, jobs)) as made:
            for number, (pair, row) in enumerate(made, 1):
                done += _weight(pair)
                tell(f"{number} of {len(paths)} rows", done, total)
                yield pair, row
        return
    for number, (pair, path) in enumerate(paths.items(), 1):

        def told(name: str, at: int, of: int, pair: Orders = pair, before: int = done) -> None:
            tell(f"{_arrow(pair)}: {name}", before + _weight(pair) * at // max(of, 1), total)

        with output_aside():
            row = make_row(pair, path, verify, seed, told)
        done += _weight(pair)
        tell(f"{number} of {len(paths)} rows", done, total)
        yield pair, row


def _made_by_processes(
    paths: dict[Orders, Path], verify: Verify, seed: int, jobs: int
) -> Generator[tuple[Orders, Row], None, None]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool

    with parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs)
    try:
        yield from parallel(delayed(_make_alone)(pair, path, verify, seed) for pair, path in paths.items())
    except BrokenProcessPool as error:
        raise WorkerError(
            f"a process ended before its row was done ({str(error).splitlines()[0]}). Rows that were done "
            "are in the store; fewer jobs take less memory."
        ) from error


def _make_alone(pair: Orders, path: Path, verify: Verify, seed: int) -> tuple[Orders, Row]:
    """A row, made in a process that does nothing else."""
    import torch

    torch.set_num_threads(1)
    return_large_blocks()
    # Ctrl-C reaches all processes; the first one ends the others.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with output_aside():
            return pair, make_row(pair, path, verify, seed)
    finally:
        signal.signal(signal.SIGINT, before)
