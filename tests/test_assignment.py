"""Tracks get the detections whose costs add up to the least."""

import itertools

import numpy as np
import pytest

from pipeline.assignment import assign

INF = float("inf")


@pytest.mark.parametrize(
    ("cost", "reach", "pairs", "remark"),
    [
        ([[0.1]], [1.0], [(0, 0)], "one to one"),
        ([[1.1]], [1.0], [], "out of reach"),
        ([[INF]], [INF], [], "forbidden, however far it may reach"),
        ([[0.0, 0.6], [0.4, 1.0]], [1.0, 1.0], [(0, 0), (1, 1)], "equal sums keep the order"),
        ([[0.4, 0.5], [0.5, 9.0]], [1.0, 1.0], [(0, 1), (1, 0)], "the cheapest pair first would leave row 1 alone"),
        ([[0.9], [0.1]], [2.0, 0.5], [(1, 0)], "a far reach does not take from the one that fits"),
        ([[0.3, 0.2]], [1.0], [(0, 1)], "more detections than tracks"),
        ([[0.3], [0.2], [0.1]], [1.0] * 3, [(2, 0)], "more tracks than detections"),
    ],
)
def test_assign(cost: list[list[float]], reach: list[float], pairs: list[tuple[int, int]], remark: str) -> None:
    assert assign(np.array(cost), np.array(reach)) == pairs, remark


def test_assign_equals_trying_everything() -> None:
    rng = np.random.default_rng(7)
    for _ in range(300):
        cost = rng.random(rng.integers(0, 5, 2)) * 2
        cost[rng.random(cost.shape) < 0.2] = INF
        reach = rng.random(len(cost)) * 2
        count, total = _best(cost, reach)
        pairs = assign(cost, reach)
        assert len(pairs) == count
        assert sum(cost[row, column] for row, column in pairs) == pytest.approx(total)


def _best(cost: np.ndarray, reach: np.ndarray) -> tuple[int, float]:
    rows, columns = cost.shape
    for count in range(min(rows, columns), 0, -1):
        sums = [
            sum(cost[r, c] for r, c in zip(chosen, order, strict=True))
            for chosen in itertools.combinations(range(rows), count)
            for order in itertools.permutations(range(columns), count)
            if all(cost[r, c] <= reach[r] for r, c in zip(chosen, order, strict=True))
        ]
        if sums:
            return count, min(sums)
    return 0, 0.0
