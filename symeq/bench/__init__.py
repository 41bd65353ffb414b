"""What an emitted layer costs: equality of results first, then alternating timed runs.

The emitted layer stands beside the ways in which others compute it: all operators at full size and
their stack mixed, one einsum per operator, the dense matrix; and beside the *floor*: the matrix
products of all levels, permutation by permutation, and one copy of the larger of input and output.
Ratios of medians are the result; absolute times belong to the machine of the day.

    print(symeq.bench.run())
"""

from symeq.bench.cases import DEFAULT_CASES, Case, Problem
from symeq.bench.compiling import measure_compile_time
from symeq.bench.contestants import (
    CONTESTANTS,
    DENSE,
    EINSUMS,
    LAYER,
    MOST_BYTES,
    ORBIT,
    STACKS,
    Contestant,
    contestant,
    dense,
    einsums,
    emitted,
    emitted_orbit,
    stacked_einsum,
    stacked_product,
    stacked_views,
)
from symeq.bench.equality import CLOSE, UnequalResultsError, check_equal, check_gradients, training_step
from symeq.bench.floors import floor, floor_entries, floor_shapes
from symeq.bench.machine import Allocator, describe_machine, fix_allocator
from symeq.bench.memory import count_peak, count_saved, measure_memory
from symeq.bench.plots import require_matplotlib, scaling_figure, scaling_plots
from symeq.bench.report import BenchReport, CaseReport, CompileTime, Memory, Target, Timing
from symeq.bench.running import TRAINING, Progress, run, summarise
from symeq.bench.stacks import operator_strings, stack_operators
from symeq.bench.suite import MEMORY_CASES, ORBIT_CASES, PARTS, SCALING, TARGETS, judge, with_parts
from symeq.bench.timing import WARM_UPS, Sample, alternate, sample

__all__ = [
    "CLOSE",
    "CONTESTANTS",
    "DEFAULT_CASES",
    "DENSE",
    "EINSUMS",
    "LAYER",
    "MEMORY_CASES",
    "MOST_BYTES",
    "ORBIT",
    "ORBIT_CASES",
    "PARTS",
    "SCALING",
    "STACKS",
    "TARGETS",
    "TRAINING",
    "WARM_UPS",
    "Allocator",
    "BenchReport",
    "Case",
    "CaseReport",
    "CompileTime",
    "Contestant",
    "Memory",
    "Problem",
    "Progress",
    "Sample",
    "Target",
    "Timing",
    "UnequalResultsError",
    "alternate",
    "check_equal",
    "check_gradients",
    "contestant",
    "count_peak",
    "count_saved",
    "dense",
    "describe_machine",
    "einsums",
    "emitted",
    "emitted_orbit",
    "fix_allocator",
    "floor",
    "floor_entries",
    "floor_shapes",
    "judge",
    "measure_compile_time",
    "measure_memory",
    "operator_strings",
    "require_matplotlib",
    "run",
    "sample",
    "scaling_figure",
    "scaling_plots",
    "stack_operators",
    "stacked_einsum",
    "stacked_product",
    "stacked_views",
    "summarise",
    "training_step",
    "with_parts",
]
