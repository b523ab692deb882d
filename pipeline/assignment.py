"""Which detection belongs to which track: the pairs whose costs add up to the least."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def assign(cost: NDArray[np.float64], reach: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return (row, column) pairs, rows ascending: as many as can be, and of those the cheapest.

    cost: float64 (T, N), `inf` forbids
    reach: float64 (T,), the most that a row may pay

    Rows and columns without a partner are left out. Shortest augmenting paths (Jonker and Volgenant 1987): O(n^3), of
    no account for the tens of tracks that a picture holds, and, unlike taking the cheapest pair first, right for rows
    of equal things that all move by half their distance.
    """
    allowed = np.isfinite(cost) & (cost <= reach[:, None])
    rows, columns = np.flatnonzero(allowed.any(axis=1)), np.flatnonzero(allowed.any(axis=0))
    if not len(rows):
        return []
    # A stay-alone column for each row, dearer than any chain of pairs, makes every row assignable.
    alone = 1.0 + float(cost[allowed].sum())
    table = np.where(allowed, cost, 2 * alone)[np.ix_(rows, columns)]
    table = np.hstack([table, np.where(np.eye(len(rows), dtype=bool), alone, 2 * alone)])
    owner = _solve(table)
    pairs = [(int(rows[row]), int(columns[at])) for at, row in enumerate(owner[: len(columns)]) if row >= 0]
    return sorted((row, column) for row, column in pairs if allowed[row, column])


def _solve(table: NDArray[np.float64]) -> NDArray[np.int64]:
    """Assign every row of a float64 (T, M) table, M >= T, to a column of its own; return each column's row or -1."""
    n_rows, n_columns = table.shape
    row_price, column_price = np.zeros(n_rows), np.zeros(n_columns)
    owner = np.full(n_columns, -1, np.int64)
    for start in range(n_rows):
        reached = np.full(n_columns, np.inf)  # the cheapest path from `start` to each column, in reduced costs
        before = np.full(n_columns, -1, np.int64)  # the column before it on that path; -1 is the start itself
        closed = np.zeros(n_columns, bool)
        row, column, spent = start, -1, 0.0
        while True:
            through = spent + table[row] - row_price[row] - column_price
            better = ~closed & (through < reached)
            reached[better], before[better] = through[better], column
            column = int(np.where(closed, np.inf, reached).argmin())
            spent = float(reached[column])
            if owner[column] < 0:
                break
            closed[column] = True
            row = int(owner[column])
        row_price[start] += spent
        for at in np.flatnonzero(closed):
            row_price[owner[at]] += spent - reached[at]
            column_price[at] -= spent - reached[at]
        while column >= 0:  # hand each column on the path to the row before it
            previous = int(before[column])
            owner[column] = start if previous < 0 else owner[previous]
            column = previous
    return owner
