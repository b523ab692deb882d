"""How long to wait before trying again. Knows nothing of what is tried."""

from __future__ import annotations

import random


class Backoff:
    """Waits that double, each drawn anew between nothing and its bound, so that many streams do not come back as one.

    first_seconds: bound of the first wait; cap_seconds: of the longest. Goes up: a source that is away is asked less
        often, and is seen again later
    generator: of the draws; its own for each stream unless a test brings one
    """

    def __init__(
        self, *, first_seconds: float = 0.5, cap_seconds: float = 4.0, generator: random.Random | None = None
    ) -> None:
        self._first = first_seconds
        self._cap = cap_seconds
        self._generator = generator or random.Random()
        self.attempts = 0

    @property
    def bound_seconds(self) -> float:
        """What the next wait is drawn below."""
        return min(self._cap, self._first * 2.0 ** min(self.attempts, 32))

    def next_seconds(self) -> float:
        """Return the next wait; its bound is then twice as large."""
        seconds = self._generator.uniform(0, self.bound_seconds)
        self.attempts += 1
        return seconds

    def longer_seconds(self, seconds: float) -> float:
        """Return a wait between half of `seconds` and all of it, for a server that asked not to be asked again."""
        self.attempts += 1
        return self._generator.uniform(seconds / 2, seconds)

    def reset(self) -> None:
        """Begin anew; only once the source was well for some time, else one that dies at once is asked for ever."""
        self.attempts = 0
