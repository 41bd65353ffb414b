"""What a plan costs: counts of steps, and polynomials in the sizes and the channels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import factorial, gcd, prod
from typing import TYPE_CHECKING, Any

from symeq.combinatorics.partitions import marked
from symeq.plans.ir import AxisMap, Plan, axis_sets
from symeq.representations.young import products
from symeq.signature import Signature

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True, slots=True)
class PlanReport:
    """Counts and costs of a plan, per sample of the batch; ``str()`` is the table.

    The symbols are the names of the index sets (their sizes), ``c_in`` and ``c_out``, with underscores behind
    where an index set is called so.

    Attributes:
        operators: the number of weight slots.
        contractions: tensors that the products read (x itself among them), and those on the way.
        products: the number of matrix products.
        broadcasts: tensors that the products add to (y itself among them), and those on the way.
        reads: numbers read by sums.
        multiplications: multiply-adds of the products.
        additions: numbers added into larger tensors.
    """

    signature: str
    operators: int
    contractions: int
    products: int
    broadcasts: int
    reads: sympy.Expr
    multiplications: sympy.Expr
    additions: sympy.Expr

    def __str__(self) -> str:
        rows = [
            ("operators", self.operators, ""),
            ("contractions", self.contractions, f"numbers read: {self.reads}"),
            ("products", self.products, f"multiply-adds: {self.multiplications}"),
            ("broadcasts", self.broadcasts, f"numbers added: {self.additions}"),
        ]
        lines = [f"plan of {self.signature}"]
        lines += [f"  {name:<13}{count:>8}  {cost}".rstrip() for name, count, cost in rows]
        return "\n".join(lines)


def steps(signature: Signature) -> int:
    """How many contractions and broadcasts the operators of ``signature`` have between them.

    Per index set A_c(k) = sum_j S(k, j) binom(j, c) contractions keep c blocks, and no more blocks
    propagate than the other side can take. An optimised plan adds at most those that keep more.

    >>> steps(Signature.from_orders(5, 5))
    908
    """

    def kept(k: int, most: int) -> int:
        return sum(marked(k, c) for c in range(min(k, most) + 1))

    pairs = [(signature.inputs.count(name), signature.outputs.count(name)) for name in signature.index_sets]
    return prod(kept(k, least) for k, least in pairs) + prod(kept(k, least) for least, k in pairs)


@dataclass(frozen=True, slots=True)
class Sorting:
    """What is done to numbers beside the products of a level, as the multiply-adds that take as long.

    Attributes:
        there, combined_there: to a number that is sorted, once, and for each order that it is combined with.
        back, combined_back: to one that is sorted back.
        permuted: to one that is put into another order, where nothing is sorted.
        seconds: what making the tables of a level takes, however many numbers there are.
    """

    there: int
    combined_there: int
    back: int
    combined_back: int
    permuted: int
    seconds: float


COMPILED = Sorting(there=10, combined_there=3, back=34, combined_back=6, permuted=6, seconds=1e-4)
EAGER = Sorting(there=50, combined_there=0, back=112, combined_back=6, permuted=28, seconds=4e-4)
"""About what two cores take, forward and backward, in compiled code and in eager code."""


def saved_by_sorting(c: int, sources: int, targets: int, sorting: Sorting) -> tuple[Fraction, int, int]:
    """What sorting an entry of a level of c propagating blocks saves: a c_in c_out - b c_in - b' c_out.

    Permutation by permutation it takes c! products of ``sources`` c_in times ``targets`` c_out channels, and
    the smaller side is put into c! - 1 other orders; block by block it takes sum_rho d_rho^3 / c! products,
    and every number that goes in or out is sorted; both sides are charged for as many tensors as the larger
    has. Returns a, b and b', in multiply-adds.
    """
    orders = factorial(c)
    larger, smaller = max(sources, targets), min(sources, targets)
    there = larger * (sorting.there + orders * sorting.combined_there)
    back = larger * (sorting.back + orders * sorting.combined_back)
    permuted = smaller * sorting.permuted * min(orders - 1, 5)  # few channels are never worth it
    if sources < targets:
        there = max(0, there - permuted)
    else:
        back = max(0, back - permuted)
    return (orders - products(c)) * sources * targets, there, back


def pays(c: int, sources: int, targets: int, sorting: Sorting) -> tuple[int, int, int]:
    """When a level of c propagating blocks is worth symmetrising: a c_in c_out >= b c_in + b' c_out.

    Returns a, b and b', for as many entries as make its tables cost nothing.

    >>> pays(2, 1, 1, COMPILED), pays(3, 1, 1, COMPILED)
    ((1, 16, 40), (13, 84, 120))
    >>> pays(2, 1, 1, EAGER), pays(3, 1, 1, EAGER)
    ((1, 50, 96), (13, 150, 24))
    """
    saved, there, back = saved_by_sorting(c, sources, targets, sorting)
    whole = [int(value * saved.denominator) for value in (saved, there, back)]
    common = gcd(*whole)
    return whole[0] // common, whole[1] // common, whole[2] // common


def report(plan: Plan) -> PlanReport:
    """Counts the steps of ``plan`` and adds up their costs.

    >>> from symeq.bases.derive import derive
    >>> from symeq.plans.lower import lower
    >>> from symeq.plans.passes import optimize
    >>> print(optimize(lower(derive("n n -> n"))).report())
    plan of n n -> n
      operators           5
      contractions        5  numbers read: 2*c_in*n**2 + 2*c_in*n
      products            2  multiply-adds: 3*c_in*c_out*n + 2*c_in*c_out
      broadcasts          2  numbers added: c_out*n
    """
    import sympy

    sizes, c_in, c_out = symbols(plan.signature)

    def volume(sets: Iterable[str]) -> sympy.Expr:
        return sympy.prod(sizes[name] for name in sets)

    found = work(plan, volume, c_in, c_out)
    read_directly = any(source == 0 for mix in plan.mixes for source, _ in mix.sources)
    added_directly = 0 in plan.bias or any(t == 0 for mix in plan.mixes for t, _ in mix.targets)
    return PlanReport(
        signature=str(plan.signature),
        operators=sum(len(mix.sources) * len(mix.targets) for mix in plan.mixes),
        contractions=len(plan.contracts) + read_directly,
        products=len(plan.mixes),
        broadcasts=len(plan.broadcasts) + added_directly,
        reads=sympy.expand(found.reads),
        multiplications=sympy.expand(found.multiplications),
        additions=sympy.expand(found.additions),
    )


@dataclass(frozen=True, slots=True)
class Work:
    """What a plan reads for sums, multiplies and adds, per sample: integers, or polynomials of SymPy."""

    reads: Any
    multiplications: Any
    additions: Any


def work(plan: Plan, volume: Callable[[Iterable[str]], Any], c_in: Any, c_out: Any) -> Work:
    """Adds up the steps of a plan; ``volume``: the entries of a tensor with these index sets, per channel."""
    signature = plan.signature
    contractions, broadcasts = plan.contractions(), plan.broadcast_maps()

    def touched(map_: AxisMap, sets: tuple[str, ...]) -> Any:
        return volume(axis_sets(map_, sets, range(map_.block_count)))

    reads = c_in * sum(
        touched(step.map, axis_sets(contractions[step.source], signature.inputs))
        for step in plan.contracts
        if step.map.dropped
    )
    multiplications = 0
    for mix in plan.mixes:
        entries = volume(plan.product_sets(mix))
        reads += c_out * entries * sum(len(after) < mix.level for _, after in mix.targets)
        multiplications += c_in * c_out * entries * len(mix.sources) * len(mix.targets)
    additions = c_out * sum(
        touched(move.map, axis_sets(broadcasts[move.target], signature.outputs)) for move in plan.broadcasts
    )
    return Work(reads, multiplications, additions)


def symbols(signature: Signature) -> tuple[dict[str, sympy.Symbol], sympy.Symbol, sympy.Symbol]:
    """The size of every index set, and the channels in and out."""
    import sympy

    sizes = {name: sympy.Symbol(name, positive=True, integer=True) for name in signature.index_sets}
    c_in, c_out = (
        sympy.Symbol(_free(name, signature.index_sets), positive=True, integer=True)
        for name in ("c_in", "c_out")
    )
    return sizes, c_in, c_out


def _free(name: str, taken: tuple[str, ...]) -> str:
    """The name, with underscores behind until it is none of those taken."""
    return _free(f"{name}_", taken) if name in taken else name
