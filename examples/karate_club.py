"""Three emitted layers on Zachary's karate club: emit, import the files, and see that they are equivariant.

Run by ``make demo``, or by hand:

    python examples/karate_club.py [FOLDER]

Exit code 0 if both networks keep their promise, 1 if one does not, 2 if the files cannot be written.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

import networkx as nx
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import symeq
from symeq import bench

SPECS = {"2 -> 2": "n n -> n n", "2 -> 1": "n n -> n", "2 -> 0": "n n -> "}
SEED = 1977  # the year in which Zachary published the club
BOUND = 1e-12  # of the largest entry; rounding in float64 gives about 1e-15
CHANNELS = 16
TIMED = bench.Case(orders=(2, 2), batch=16, n=34, channels=32)

Layers = Mapping[str, type[nn.Module]]

console = Console(highlight=False)


def main(arguments: list[str] | None = None) -> int:
    """Tells the whole story, and returns the exit code."""
    parser = argparse.ArgumentParser(description="Emit three layers and run them on Zachary's karate club.")
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("demo-output"),
        help="where the emitted files go (default: demo-output)",
    )
    folder: Path = parser.parse_args(arguments).folder
    try:
        files = emit(folder)
        layers = {name: import_file(path) for name, path in files.items()}
        holds = relabel_the_club(layers)
        race(layers["2 -> 2"])
    except bench.UnequalResultsError as error:
        say(str(error), style="red")
        return 1
    except symeq.SymeqError as error:
        say(str(error), style="red")
        return 2
    say("\nThe emitted files import torch and nothing else; copy them wherever you need them:")
    for path in files.values():
        say(f"  {path.resolve()}")
    return 0 if holds else 1


# --- 1. emit ------------------------------------------------------------------------------------


def emit(folder: Path) -> dict[str, Path]:
    """Writes the three layers, prints what is in them, and returns their paths."""
    headline("1. Emit three layers")
    files = {name: symeq.generate(spec, folder) for name, spec in SPECS.items()}
    table = table_of("layer", numbers=("operators", "contractions", "products", "broadcasts"))
    for name, spec in SPECS.items():
        found = symeq.plan(spec).report()
        counts = (found.operators, found.contractions, found.products, found.broadcasts)
        table.add_row(name, *map(str, counts))
    console.print(table)
    say(
        "Each is the most general linear layer that does not care how nodes are numbered.\n"
        "Its operators are never built one by one: they share the contractions, matrix\n"
        "products and broadcasts counted here."
    )
    return files


def import_file(path: Path) -> type[nn.Module]:
    """The layer class of an emitted file, imported by its path alone."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (layer,) = (found for found in vars(module).values() if is_layer(found, path.stem))
    return layer


def is_layer(found: object, module: str) -> bool:
    """Whether ``found`` is a layer class that ``module`` itself defines."""
    return isinstance(found, type) and issubclass(found, nn.Module) and found.__module__ == module


# --- 2. relabel ---------------------------------------------------------------------------------


def relabel_the_club(layers: Layers) -> bool:
    """Runs two networks on the club and on a relabelling of it; whether both keep their promise."""
    headline("2. Run them on Zachary's karate club, and on the same club renumbered")
    club = nx.karate_club_graph()
    x = features(club)
    torch.manual_seed(SEED)
    graph_network = network(layers, "2 -> 2", "2 -> 2", "2 -> 0")
    node_network = network(layers, "2 -> 2", "2 -> 1")
    order = torch.randperm(len(club))  # member order[i] gets the number i
    renumbered = x[order][:, order]
    say(
        f"{len(club)} members, {club.number_of_edges()} ties. "
        "Three channels for every pair of members: the weight of\n"
        "their tie, the degree (on the diagonal), one. Two networks, untrained, float64:\n"
        "  graph network: 2 -> 2, ReLU, 2 -> 2, ReLU, 2 -> 0    a vector for the club\n"
        "  node network:  2 -> 2, ReLU, 2 -> 1                  a vector for every member"
    )
    with torch.no_grad():
        graph, graph_after = graph_network(x), graph_network(renumbered)
        nodes, nodes_after = node_network(x), node_network(renumbered)
        club.remove_edge(0, 1)
        graph_cut = graph_network(features(club))

    new = order.tolist().index(0)
    say("")
    for who, before, after in (
        ("the club", graph, graph_after),
        (f"Mr. Hi (member 0, then {new})", nodes[0], nodes_after[new]),
    ):
        say(f"{who:<25}{numbers(before)}   renumbered {numbers(after)}")
    say("")
    table = table_of("comparison", "expected", numbers=("difference", "relative"))
    table.add_column("holds")
    checks = [
        compare(table, "the graph output agrees", "equal", graph_after, graph),
        compare(table, "the node outputs permute", "equal", nodes_after, nodes[order]),
        compare(table, "without permuting them back", "different", nodes_after, nodes),
        compare(table, "graph output, one tie cut", "different", graph_cut, graph),
    ]
    console.print(table)
    say(
        "The largest difference, also relative to the largest entry: equal is what is at\n"
        f"most {BOUND:.0e} of it. The last two rows show that the comparison can fail."
    )
    return all(checks)


def features(club: nx.Graph) -> Tensor:
    """Tie weights, degrees on the diagonal, ones: ``(members, members, 3)``."""
    weights = torch.from_numpy(nx.to_numpy_array(club, weight="weight"))
    degrees = torch.tensor([float(degree) for _, degree in club.degree()], dtype=weights.dtype)
    return torch.stack((weights, torch.diag(degrees), torch.ones_like(weights)), -1)


def network(layers: Layers, *names: str) -> nn.Module:
    """The layers of these names one after another, a ReLU between them, 3 channels in and 3 out."""
    widths = [3, *[CHANNELS] * (len(names) - 1), 3]
    modules: list[nn.Module] = []
    for name, ins, outs in zip(names, widths[:-1], widths[1:], strict=True):
        modules += [layers[name](ins, outs, dtype=torch.float64), nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def compare(table: Table, what: str, expected: str, after: Tensor, before: Tensor) -> bool:
    """Adds a row for the largest difference; whether it is as expected, "equal" or "different"."""
    difference = float((after - before).abs().max())
    relative = difference / float(before.abs().max())
    holds = relative <= BOUND if expected == "equal" else relative > BOUND  # NaN is neither
    said = "[green]yes[/green]" if holds else "[red]NO[/red]"
    table.add_row(what, expected, f"{difference:.1e}", f"{relative:.1e}", said)
    return holds


def numbers(vector: Tensor) -> str:
    """A short vector, in columns."""
    return "".join(f"{value:8.3f}" for value in vector.tolist())


# --- 3. race ------------------------------------------------------------------------------------


def race(layer: type[nn.Module]) -> None:
    """Times the emitted 2 -> 2 layer beside the stack of its operators, results compared first."""
    headline("3. Time the 2 -> 2 layer beside the stack of its 15 operators")

    stacks = {name: bench.CONTESTANTS[name] for name in bench.STACKS}
    contestants = {bench.LAYER: bench.contestant(layer), **stacks}
    report = bench.run([TIMED], repeats=9, contestants=contestants)
    (found,) = report.cases
    table = table_of("way", numbers=("median ms", "of the layer's", "off float64 by"))
    for name in contestants:
        timing = found[name]
        ratio = f"{timing.over_layer:.1f} x"
        table.add_row(name, f"{timing.median * 1e3:.2f}", ratio, f"{timing.difference:.0e}")
    console.print(table)
    say(
        f"A batch of {TIMED.batch} graphs of the club's size, {TIMED.channels} channels, float32, forward, "
        f"threads: {report.machine['threads']}.\n"
        "The results were compared with float64 before any was timed. `make bench` tells more."
    )


# --- printing -----------------------------------------------------------------------------------


def say(text: str, style: str | None = None) -> None:
    """Prints text as it is, without breaking its lines."""
    console.print(text, style=style, markup=False, soft_wrap=True)


def headline(text: str) -> None:
    """Prints what comes next."""
    say(f"\n{text}\n", style="bold")


def table_of(*words: str, numbers: tuple[str, ...]) -> Table:
    """A table with columns of words, then columns of numbers."""
    table = Table()
    for heading in words:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


if __name__ == "__main__":
    torch.set_num_threads(1)  # enough for one small graph, and a busy machine then disturbs the times less
    sys.exit(main())
