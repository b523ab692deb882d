"""`ledger.sqlite` and `evidence/`: the account of a stream's brands (see `docs/accounts.md`)."""

from __future__ import annotations

from pipeline.brands.chain import FILE
from pipeline.brands.evidence import Evidence, Seen
from pipeline.brands.ledger import Ledger
from pipeline.brands.profiles import find_profile
from pipeline.brands.task import Observed
from pipeline.errors import ConfigError
from pipeline.sinks.sink import Outlet
from pipeline.stages import Tracked


class BrandLedger:
    """Keeps an account, second by second, and the evidence of each impression; what it has written is on the disk.

    Raises SinkError, WriteError (a StreamError) where that cannot be.
    """

    takes = (Tracked, Observed)

    def __init__(self, outlet: Outlet) -> None:
        self._path = outlet.folder / FILE
        self._stream, self._brands, self._metrics = outlet.info.name, outlet.task.labels, outlet.metrics
        self._ledger: Ledger | None = None
        self._counted = 0, 0  # records and bytes of evidence, as the metrics have them
        self._evidence: Evidence | None = None
        if outlet.config.brands.evidence:
            bridge = find_profile(outlet.config.brands.profile).bridge_seconds
            self._evidence = Evidence(outlet.folder, outlet.url, bridge_seconds=bridge)

    def write(self, item: Tracked | Observed) -> None:
        if isinstance(item, Observed):
            self._account(item)
        elif self._evidence is not None:
            seen = [
                Seen(self._brands[track.class_id], track.xyxy, track.detection_score)
                for track in item.tracks
                if track.detection_score is not None and track.state == "confirmed"
            ]
            self._evidence.offer(item.frame, seen, is_new_shot=item.cut is not None)

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()

    def _account(self, seen: Observed) -> None:
        if self._ledger is None:
            self._ledger = Ledger(self._path, seen.run, clock=seen.clock)
        evidence = self._evidence
        proofs = [{} if evidence is None else evidence.take(impression).to_table() for impression in seen.closed]
        self._ledger.write(seen.observations, open=seen.open, closed=list(zip(seen.closed, proofs, strict=True)))
        if evidence is not None and seen.observations is not None:
            observed = seen.observations
            evidence.keep(seen.open, until=float(observed.end_pts * observed.time_base))
        if seen.ended is not None:
            self._ledger.finish(seen.ended)
        self._metrics.open_exposures.labels(self._stream).set(len(seen.open))
        rows, written = self._ledger.added, 0 if evidence is None else evidence.bytes_written
        self._metrics.ledger_rows.labels(self._stream).inc(rows - self._counted[0])
        self._metrics.evidence_bytes.labels(self._stream).inc(written - self._counted[1])
        self._counted = rows, written


def open_brand_ledger(outlet: Outlet) -> BrandLedger:
    """Raise ConfigError where the run is about something else than brands."""
    if outlet.config.detector.task != "logos":
        raise ConfigError("output.sinks: ledger keeps an account of brands: it needs the task logos")
    return BrandLedger(outlet)
