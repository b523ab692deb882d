"""The speed limit in force: a small machine that passes signs, and forgets.

    unknown --limit sign--> set --another limit sign--> set
    set, unknown --end of this limit, end of all--> ended
    set --end of another limit--> unknown              (one of the two was missed or misread)
    set, ended --nothing confirms it for too long--> unknown
    set, ended --the stream was not watched--> unknown

It knows the signs of one stream by their meaning. It does not know junctions, zones or maps, which end limits too: that
is why a limit expires. Passive and single-threaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.events import LimitChange
from pipeline.road.catalogue import Meaning, SpeedUnit

_State = tuple[Literal["set", "ended", "unknown"], int | None, SpeedUnit | None]
_UNKNOWN: _State = ("unknown", None, None)
_ENDED: _State = ("ended", None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """How long a limit is believed.

    expires_after_seconds: from the last sign that confirmed it until it is unknown. Goes up: a limit is shown for
        longer on roads with few signs, and for longer where it has ended unseen, at a junction or a town's sign
    """

    expires_after_seconds: float = 300.0

    def __post_init__(self) -> None:
        if self.expires_after_seconds <= 0:
            raise ValueError(f"expires_after_seconds must be more than 0, got {self.expires_after_seconds}")


class LimitState:
    """One stream's limit. `pass_sign`, `wait` and `miss` return the change, or None where there is none."""

    def __init__(self, stream: str, settings: LimitSettings | None = None) -> None:
        self._stream = stream
        self._settings = settings or LimitSettings()
        self._state = _UNKNOWN
        self._confirmed_at = 0.0

    def pass_sign(self, meaning: Meaning, pts_seconds: float) -> LimitChange | None:
        """Take a sign that was passed at that time. Signs that say nothing of speed change nothing, nor do those that
        were passed before the last one that counted (they were hidden for a while, and are given up late).
        """
        if pts_seconds < self._confirmed_at:
            return None
        if meaning.id == "speed_limit.max":
            return self._enter(("set", meaning.value, meaning.unit), pts_seconds, "sign")
        if meaning.id == "end_all_restrictions":
            return self._enter(_ENDED, pts_seconds, "end_all_sign")
        if meaning.id == "speed_limit.end":
            state, value, _ = self._state
            if state == "set" and value != meaning.value:
                return self._enter(_UNKNOWN, pts_seconds, "contradiction")
            return self._enter(_ENDED, pts_seconds, "end_sign")
        return None

    def wait(self, pts_seconds: float) -> LimitChange | None:
        """Let time pass until then without a sign."""
        expires_at = self._confirmed_at + self._settings.expires_after_seconds
        if self._state == _UNKNOWN or pts_seconds < expires_at:
            return None
        return self._enter(_UNKNOWN, expires_at, "expired")

    def miss(self, pts_seconds: float) -> LimitChange | None:
        """Forget it: from then on the stream is not watched, and what signs are passed nobody knows."""
        return self._enter(_UNKNOWN, max(pts_seconds, self._confirmed_at), "gap")

    def _enter(
        self,
        state: _State,
        pts_seconds: float,
        reason: Literal["sign", "end_sign", "end_all_sign", "contradiction", "expired", "gap"],
    ) -> LimitChange | None:
        self._confirmed_at = pts_seconds
        if state == self._state:
            return None
        self._state = state
        kind, value, unit = state
        return LimitChange(
            stream=self._stream, pts_seconds=pts_seconds, state=kind, value=value, unit=unit, reason=reason
        )
