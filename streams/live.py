"""From a live URL to a source that survives: which backend connects to it, and why. Connects to nothing yet."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from streams.errors import OpenError
from streams.guard import Guard
from streams.hls import HlsPlace, Past
from streams.isolated import isolated
from streams.live_source import Connection, LiveSettings, LiveSource
from streams.trust import Trust
from streams.urls import Address, address_of, redact, scheme_of

log = logging.getLogger(__name__)

SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "srt", "gst")
"""Of live streams."""

BACKENDS = ("auto", "pyav", "gstreamer")
TRANSPORTS = ("tcp", "udp")

_GSTREAMER_ALONE = {
    "srt": "PyAV's wheels have no SRT",
    "gst": "it is a pipeline of GStreamer's own",
}


def open_live(
    url: str,
    name: str,
    *,
    settings: LiveSettings | None = None,
    backend: str = "auto",
    transport: str = "tcp",
    allow_private: bool = False,
    trust: Trust | None = None,
    isolate: bool | None = None,
    past: Past | None = None,
) -> LiveSource:
    """Make a source of a live URL; it connects when it is iterated.

    backend: `pyav`, `gstreamer`, or `auto`: PyAV but for what only GStreamer can
    transport: of RTSP, `tcp` or `udp`; `?transport=udp` in the URL goes before it
    allow_private: what the server leads to (segments, redirects) may be private; its own address always may
    trust: whose certificates are believed; without it those that the system believes
    isolate: it is decoded in a process of its own; None is as `settings` has it
    past: what earlier connections have left

    Raises OpenError for what never can work.
    """
    settings = settings or LiveSettings()
    scheme = scheme_of(url)
    chosen, why = _chosen(scheme, backend)
    shown = redact(url)
    if chosen == "pyav" and scheme in _GSTREAMER_ALONE:
        raise OpenError(f"{shown}: not with the backend pyav: {_GSTREAMER_ALONE[scheme or '']}", reason="limit")
    isolate = settings.isolate if isolate is None else isolate
    connect: Callable[[], Connection]
    if chosen == "gstreamer":
        connect = _gstreamer(shown)(
            url, name=name, settings=settings, transport=transport, allow_private=allow_private, trust=trust
        )
    else:
        from streams.av_live import connector

        try:
            address, transport = _with_transport(address_of(url), transport)
        except ValueError as error:
            raise OpenError(f"{shown}: {error}", reason="limit") from None
        shown = address.shown
        past = past or Past(Guard(address, allow_private=allow_private, trust=trust), HlsPlace())
        connect = connector(address, name=name, settings=settings, transport=transport, past=past)
    if trust is not None and not trust.verify:
        log.warning("%s: %s: certificates are not checked (tls_verify = false)", name, shown)
    log.info("%s: %s is read by %s: %s", name, shown, chosen, why)
    told = chosen
    if isolate:
        told = f"{chosen}, isolated"
        connect = isolated(
            url,
            name=name,
            shown=shown,
            settings=settings,
            backend=chosen,
            transport=transport,
            allow_private=allow_private,
            trust=trust,
            past=past,
        )
    return LiveSource(url, name=name, connect=connect, settings=settings, backend=told, backend_reason=why)


def _chosen(scheme: str | None, backend: str) -> tuple[str, str]:
    """Return the backend for a scheme, and why it is that one."""
    if backend not in BACKENDS:
        raise OpenError(f"no such backend: {backend} (known: {', '.join(BACKENDS)})", reason="limit")
    if backend != "auto":
        return backend, "as the settings say"
    if scheme in _GSTREAMER_ALONE:
        return "gstreamer", _GSTREAMER_ALONE[scheme or ""]
    return "pyav", f"it needs nothing beside this program, and speaks {scheme}"


def _gstreamer(shown: str) -> Callable[..., Callable[[], Connection]]:
    """Return the `connector` of the GStreamer backend, which says itself what it lacks. Raises OpenError."""
    try:
        module = importlib.import_module("streams.gst_source")
    except ImportError:
        raise OpenError(f"{shown}: the backend gstreamer is not installed", reason="limit") from None
    connector: Callable[..., Callable[[], Connection]] = module.connector
    return connector


def _with_transport(address: Address, transport: str) -> tuple[Address, str]:
    """Take `transport=` out of an RTSP URL's query: it is for us, not for the camera."""
    if address.scheme not in ("rtsp", "rtsps") or "transport=" not in address.query:
        return address, transport
    pairs = parse_qsl(address.query, keep_blank_values=True)
    transport = dict(pairs).get("transport", transport)
    query = urlencode([pair for pair in pairs if pair[0] != "transport"])
    return replace(address, query=query), transport
