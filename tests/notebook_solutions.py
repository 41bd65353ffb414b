"""Answers to the exercises of the notebooks: by notebook and number, a right one and some wrong ones.

Each is the source that a reader would write in place of the cell with ``None``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Solution:
    """A right answer, and wrong ones: plausible slips, and something that is no answer at all."""

    right: str
    wrong: tuple[str, ...]


SOLUTIONS: dict[str, tuple[Solution, ...]] = {
    "01_symmetry_and_weight_sharing.ipynb": (
        Solution("answer_1 = 7", ("answer_1 = 12", "answer_1 = 6", "answer_1 = 'seven'")),
        Solution(
            "answer_2 = [sp.Rational(1, 5)] * 5",
            ("answer_2 = [1] * 5", "answer_2 = [3, 0, 0, 0, 0]", "answer_2 = [sp.Rational(1, 5)] * 4"),
        ),
        Solution(
            "answer_3 = lambda x: [v * x[i - 1] for i, v in enumerate(x)]",
            (
                "answer_3 = lambda x: [v + x[i - 1] for i, v in enumerate(x)]",  # linear
                "answer_3 = lambda x: [v**2 for v in x]",  # equivariant under S_5, too
                "answer_3 = lambda x: sorted(x)",  # not equivariant
                "answer_3 = 3",
            ),
        ),
        Solution("answer_4 = 12", ("answer_4 = 144", "answer_4 = 7")),
    ),
    "02_set_partitions_and_bell_numbers.ipynb": (
        Solution(
            "answer_1 = (1, 0, 0, 2)",
            ("answer_1 = (0, 2, 2, 1)", "answer_1 = (0, 1, 2, 1)", "answer_1 = (3, 2, 2, 1)", "answer_1 = 5"),
        ),
        Solution("answer_2 = (5, 52)", ("answer_2 = (6, 52)", "answer_2 = (5, 203)", "answer_2 = 52")),
        Solution("answer_3 = 41", ("answer_3 = 203", "answer_3 = 52")),
        Solution(
            "answer_4 = ((0, 0, 0, 1, 1, 2), (0, 1, 1, 2, 3, 3))",
            (
                "answer_4 = ((0, 0, 0, 0, 0, 0), (0, 1, 1, 2, 3, 3))",
                "answer_4 = ((0, 0, 0, 1, 1, 2), (0, 1, 2, 3, 4, 5))",
                "answer_4 = ((1, 0, 0, 1, 1, 2), (0, 1, 1, 2, 3, 3))",
            ),
        ),
        Solution(
            "answer_5 = [2, -1, -1, -1, 1]",
            ("answer_5 = [1, -1, -1, -1, 1]", "answer_5 = [0, 0, 0, 0, 0]", "answer_5 = [2, -1, -1, -1]"),
        ),
    ),
    "03_sets.ipynb": (
        Solution("answer_1 = (1, Fraction(-1, 5))", ("answer_1 = (1, -1)", "answer_1 = (Fraction(4, 5), 0)")),
        Solution("answer_2 = (2, -11)", ("answer_2 = (2, -3)", "answer_2 = (2, 1)", "answer_2 = 2")),
        Solution("answer_3 = Fraction(-1, 4)", ("answer_3 = -1", "answer_3 = Fraction(1, 4)")),
        Solution(
            "answer_4 = ([1, 2], [1, 2, 1, 2])",
            (
                "answer_4 = ([1, 2], [2, 1])",
                "answer_4 = ([1, 4], [2, 3, 2])",
                "answer_4 = ([12], [12, 12])",
            ),
        ),
        Solution(
            "answer_5 = lambda x, y: (x + y + abs(x - y)) / 2",
            (
                "answer_5 = lambda x, y: max(x, y)",
                "answer_5 = lambda x, y: (x + y - abs(x - y)) / 2",
                "answer_5 = abs",
            ),
        ),
    ),
    "04_graphs.ipynb": (
        Solution(
            "answer_1 = {5: 1, 6: -1}",
            ("answer_1 = {5: 1, 6: 1}", "answer_1 = {7: 1, 6: -1}", "answer_1 = [5]"),
        ),
        Solution("answer_2 = 9", ("answer_2 = 5", "answer_2 = 15")),
        Solution(
            "answer_3 = [(6, 8), (5, 9), (7, 10), (12, 11)]",
            ("answer_3 = [(6, 8), (5, 9), (7, 10)]", "answer_3 = [(6, 8), (5, 9), (7, 12), (10, 11)]"),
        ),
        Solution("answer_4 = 51", ("answer_4 = 52", "answer_4 = 15")),
        Solution(
            "answer_5 = ([(0, 1), (1, 2), (2, 3)], [(0, 1), (0, 2), (0, 3)])",
            (
                "answer_5 = ([(0, 1), (1, 2)], [(0, 1), (0, 2)])",
                "answer_5 = ([(0, 1), (1, 2), (2, 0)], [(0, 1), (0, 2), (0, 3)])",
            ),
        ),
    ),
    "05_the_proof.ipynb": (
        Solution(
            "answer_1 = [4, 0, 2, 1, 5, 3]",
            ("answer_1 = [4, 1, 2, 1, 5, 3]", "answer_1 = [4, 0, 2, 3, 5, 1]", "answer_1 = [4, 0, 2, 1]"),
        ),
        Solution("answer_2 = (4, 5, 5)", ("answer_2 = (5, 5, 5)", "answer_2 = (8, 14, 15)", "answer_2 = 5")),
        Solution(
            "answer_3 = n**5 * (n - 1) ** 4 * (n - 2)",
            (
                "answer_3 = n**2 * (n - 1)",
                "answer_3 = n**5 * (n - 1) ** 4 * (n - 2) ** 2",
                "answer_3 = n**15 * (n - 1) ** 14 * (n - 2) ** 7 * (n - 3)",
                "answer_3 = 'five'",
            ),
        ),
        Solution(
            'answer_4 = lambda document: steps_of(document, "composition")[0].update(factor=2)',
            (
                'answer_4 = lambda document: steps_of(document, "dimension")[0].update(factor=2)',
                'answer_4 = lambda document: steps_of(document, "composition")[0].update(factor=1)',
                'answer_4 = lambda document: steps_of(document, "composition")[0].update(factor=2, kept=3)',
                'answer_4 = lambda document: steps_of(document, "composition").pop()',
            ),
        ),
    ),
    "06_from_operators_to_code.ipynb": (
        Solution(
            'answer_1 = ("ab ->", "-> cc")',
            ('answer_1 = ("aa ->", "-> cc")', 'answer_1 = ("ab ->", "-> cd")', 'answer_1 = "ab -> cc"'),
        ),
        Solution("answer_2 = 94", ("answer_2 = 4140", "answer_2 = 15", "answer_2 = 89")),
        Solution("answer_3 = 41", ("answer_3 = 40", "answer_3 = 42", "answer_3 = 'many'")),
        Solution(
            """\
def answer_4(x, W, bias):
    rows = x.sum(1)
    total = rows.sum(0)
    onto_diagonal = rows @ (W[5] + W[9]) + total @ W[13] + bias[0]
    along_rows = rows @ (W[7] + W[10]) + total @ W[14] + bias[1]
    y = x @ (W[6] + W[8]) + along_rows[:, None] + (rows @ (W[11] + W[12]))[None, :]
    np.einsum("aaz->az", y)[...] += onto_diagonal
    return y""",
            (
                "answer_4 = by_hand",  # right, but with two sums
                "answer_4 = lambda x, W, bias: x @ (W[6] + W[8])",
                "answer_4 = 1",
            ),
        ),
    ),
    "07_learning_on_graphs.ipynb": (
        Solution(
            "answer_1 = ({(0, 1, 0, 1, 2): 1, (0, 1, 2, 0, 1): 1}, {(0, 1, 2): -1, (0, 1, 0): -1})",
            (
                "answer_1 = ({(0, 1, 0, 1, 2): 1, (0, 1, 2, 0, 1): 1}, {(0, 1, 2): -1})",  # a may be c
                "answer_1 = ({(0, 1, 0, 1, 2): 1, (0, 1, 2, 0, 1): 1, (0, 1, 0, 2, 1): 1}, {(0, 1, 2): -2})",
                "answer_1 = {(0, 1, 2): -1}",
            ),
        ),
        Solution("answer_2 = 3", ("answer_2 = 2", "answer_2 = 4")),
        Solution(
            "answer_3 = ([(0, 1), (0, 2), (0, 3), (1, 4), (4, 5)], [(0, 1), (0, 2), (0, 3), (1, 4), (2, 5)])",
            (
                "answer_3 = ([(0, 1), (1, 2), (2, 3)], [(0, 1), (0, 2), (0, 3)])",
                "answer_3 = (list(hexagon.edges), list(triangles.edges))",
                "answer_3 = ([(0, 1), (1, 2)], [(0, 1), (0, 2)])",
            ),
        ),
        Solution("answer_4 = 24885", ("answer_4 = 24840", "answer_4 = 4140", "answer_4 = 24843")),
    ),
    "08_exchangeable_matrices.ipynb": (
        Solution("answer_1 = 8", ("answer_1 = 6", "answer_1 = 203")),
        Solution(
            "answer_2 = [1, Fraction(-1, 4), Fraction(-1, 3), Fraction(1, 12)]",
            (
                "answer_2 = [1, Fraction(-1, 3), Fraction(-1, 4), Fraction(1, 12)]",
                "answer_2 = [1, -1, -1, 1]",
                "answer_2 = [1, Fraction(-1, 4)]",
            ),
        ),
        Solution("answer_3 = (3, 1)", ("answer_3 = (3, 12)", "answer_3 = (0, 1)", "answer_3 = 3")),
        Solution("answer_4 = 5", ("answer_4 = 15", "answer_4 = 4")),
    ),
}
