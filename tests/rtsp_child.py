"""The RTSP server of the tests, a process of its own: `/usr/bin/python3 rtsp_child.py JSON`; see `rtsp_server.py`.

Debian's GstRtspServer speaks with Debian's Python only, which has neither numpy nor PyAV: the pictures come encoded, as
a file of access units. It says `{"port": ...}` on standard output when clients may come.
"""

from __future__ import annotations

import json
import struct
import sys
import threading
import time
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402

ELEMENTS = ("appsrc", "h264parse", "rtph264pay", "rtppcmapay", "rtpbin", "multiudpsink")
"""What the server is made of."""

SECOND = 1_000_000_000


def units_of(path: str) -> list[tuple[bytes, int]]:
    """Read access units, each with its place in the order of showing: '>II' of length and place, then the bytes."""
    units = []
    with open(path, "rb") as file:  # noqa: PTH123
        while head := file.read(8):
            length, place = struct.unpack(">II", head)
            units.append((file.read(length), place))
    return units


class Pictures(threading.Thread):
    """Pushes the loop of access units, and silence, at the world's pace into `appsrc`s, for as long as they take it."""

    def __init__(self, media: Any, units: list[tuple[bytes, int]], fps: float) -> None:
        super().__init__(daemon=True)
        self._source, self._sound = media.get_by_name("pictures"), media.get_by_name("sound")
        self._units, self._fps = units, fps
        self.is_over = threading.Event()

    def run(self) -> None:
        started = time.monotonic()
        base = None
        count = 0
        while not self.is_over.wait(max(0.0, started + count / self._fps - time.monotonic())):
            if base is None and (base := self._running_time()) is not None:
                base -= round((time.monotonic() - started) * SECOND)
            loop, index = divmod(count, len(self._units))
            data, place = self._units[index]
            buffer = Gst.Buffer.new_wrapped(data)
            if base is not None:
                buffer.pts = max(0, base + round((loop * len(self._units) + place + 2) * SECOND / self._fps))
                buffer.dts = max(0, base + round(count * SECOND / self._fps))
            buffer.duration = round(SECOND / self._fps)
            if self._source.push_buffer(buffer) != Gst.FlowReturn.OK:
                base = None  # a client begins to play, which puts the pipeline's time back to 0
                self.is_over.wait(0.005)
                continue
            if self._sound is not None:
                silence = Gst.Buffer.new_wrapped(b"\xd5" * round(8000 / self._fps))
                silence.pts = buffer.dts
                self._sound.push_buffer(silence)
            count += 1

    def _running_time(self) -> int | None:
        clock = self._source.get_clock()
        return None if clock is None else clock.get_time() - self._source.get_base_time()


def main(settings: dict[str, Any]) -> None:
    Gst.init(None)
    units = units_of(settings["units"])
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(settings["port"]))
    factory = GstRtspServer.RTSPMediaFactory()
    launch = "appsrc name=pictures is-live=true format=time caps=video/x-h264,stream-format=byte-stream,alignment=au"
    launch += " ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 mtu=1200"
    if settings["has_sound"]:
        launch += " appsrc name=sound is-live=true format=time caps=audio/x-alaw,rate=8000,channels=1"
        launch += " ! rtppcmapay name=pay1 pt=8"
    factory.set_launch(f"( {launch} )")
    factory.set_shared(True)  # all clients see the same picture at the same time
    factory.set_latency(0)

    def configure(_: Any, media: Any) -> None:
        pictures = Pictures(media.get_element(), units, settings["fps"])
        media.connect("unprepared", lambda _: pictures.is_over.set())  # the last client has gone
        pictures.start()

    factory.connect("media-configure", configure)
    if settings["user"]:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        if settings["is_digest"]:
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(settings["user"], settings["password"], token)
        else:
            auth.add_basic(auth.make_basic(settings["user"], settings["password"]), token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_role("viewer")
        for permission in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role("viewer", permission, True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory(settings["path"], factory)
    if not server.attach(None):
        sys.exit("the port cannot be had")
    # Sessions of clients that vanished end after a minute; without this they would stay for ever.
    GLib.timeout_add_seconds(2, lambda: server.get_session_pool().cleanup() >= 0)
    print(json.dumps({"port": server.get_bound_port()}), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        Gst.init(None)
        print(" ".join(name for name in ELEMENTS if Gst.ElementFactory.find(name) is None))
    else:
        assert GstApp  # its methods of appsrc come with the import
        main(json.loads(sys.argv[1]))
