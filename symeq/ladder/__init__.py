"""The ladder: every order k -> k' with k + k' <= M, counted in several ways, emitted and verified."""

from symeq.ladder.report import LadderReport
from symeq.ladder.row import AtSize, Found, Row
from symeq.ladder.run import pairs_of, run_ladder
from symeq.ladder.store import default_store

__all__ = ["AtSize", "Found", "LadderReport", "Row", "default_store", "pairs_of", "run_ladder"]
