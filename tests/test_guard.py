"""Where a stream may lead and where not; the forbidden servers are real ones, and count who asks them."""

from __future__ import annotations

import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import OpenError
from streams.frame import Frame
from streams.guard import Guard, is_public
from streams.hls import parse
from streams.urls import address_of
from tests.feeds import FPS, HlsFeed, Pages, mjpeg_page, transport_stream
from tests.watching import watched

ORIGIN = address_of("http://cam.example/live.m3u8")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),  # carriers' own
        ("169.254.169.254", False),  # where clouds keep their secrets
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),  # IPv4 within IPv6, in four ways
        ("::ffff:93.184.216.34", True),
        ("2002:7f00:1::", False),
        ("64:ff9b::a00:1", False),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", False),
    ],
)
def test_which_addresses_are_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected


def guard(*answers: list[str], allow_private: bool = False, origin: str = "http://cam.example/live.m3u8") -> Guard:
    left = list(answers)
    return Guard(address_of(origin), allow_private=allow_private, resolver=lambda host, port: left.pop(0))


def test_the_configured_address_may_be_private_but_not_become_so() -> None:
    """DNS that answers otherwise the second time."""
    private = guard(["10.0.0.5"], ["10.0.0.5"], ["127.0.0.1"])
    assert private.admit(ORIGIN) == ["10.0.0.5"]
    assert private.admit(ORIGIN) == ["10.0.0.5"]
    with pytest.raises(OpenError, match=r"leads to the private address 127\.0\.0\.1") as caught:
        private.admit(ORIGIN)
    assert caught.value.reason == "limit"
    public = guard(["93.184.216.34"], ["93.184.216.35"], ["192.168.1.1"])
    public.admit(ORIGIN)
    public.admit(ORIGIN)
    with pytest.raises(OpenError, match=r"192\.168\.1\.1"):
        public.admit(ORIGIN)


@pytest.mark.parametrize(
    ("target", "answer", "message"),
    [
        ("http://cdn.example/1.ts", ["93.184.216.34"], None),
        ("https://cdn.example/1.ts", ["93.184.216.34"], None),
        ("http://cdn.example/1.ts", ["93.184.216.34", "10.0.0.1"], "private address 10.0.0.1"),
        ("http://cam.example:8080/1.ts", ["10.0.0.5"], "private address 10.0.0.5"),  # another port is another server
        ("https://cam.example/1.ts", ["10.0.0.5"], "private address"),
        ("file:///etc/passwd", [], "leads to file:"),
        ("ftp://cdn.example/1.ts", [], "leads to ftp:"),
        ("gopher://cdn.example/1.ts", [], "leads to gopher:"),
    ],
)
def test_where_a_playlist_may_lead(target: str, answer: list[str], message: str | None) -> None:
    made = guard(["10.0.0.5"], answer)
    made.admit(ORIGIN)
    if message is None:
        assert made.admit(address_of(target)) == answer
    else:
        with pytest.raises(OpenError, match=message):
            made.admit(address_of(target))


def test_an_encrypted_stream_leads_to_no_open_one() -> None:
    with pytest.raises(OpenError, match="an encrypted stream leads to an open one"):
        guard(origin="https://cam.example/").admit(address_of("http://cam.example/1.ts"))


def test_private_addresses_where_they_are_allowed() -> None:
    assert guard(["10.0.0.9"], allow_private=True).admit(address_of("http://other/1.ts")) == ["10.0.0.9"]


SEGMENT = b"".join(transport_stream(count=FPS))
HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n"


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (HEAD + "#EXTINF:1,\n{evil}/1.ts\n", "private address 127.0.0.1"),
        (HEAD + "#EXTINF:1,\nhttp://localhost:{port}/1.ts\n", "private address"),
        (HEAD + "#EXTINF:1,\nhttp://2130706433:{port}/1.ts\n", "private address|no such host"),  # 127.0.0.1 as a number
        (HEAD + "#EXTINF:1,\nhttp://[::ffff:127.0.0.1]:{port}/1.ts\n", "private address|no such host"),
        (HEAD + '#EXT-X-MAP:URI="{evil}/init.mp4"\n#EXTINF:1,\n1.ts\n', "private address"),
        (HEAD + '#EXT-X-KEY:METHOD=AES-128,URI="{evil}/key"\n#EXTINF:1,\n1.ts\n', "private address"),
        (HEAD + '#EXT-X-KEY:METHOD=AES-128,URI="/to-evil"\n#EXTINF:1,\n1.ts\n', "private address"),
        (HEAD + '#EXT-X-KEY:METHOD=AES-128,URI="file:///etc/passwd"\n#EXTINF:1,\n1.ts\n', "leads to"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{evil}/live.m3u8\n", "private address"),
        (HEAD + "#EXTINF:1,\nfile:///etc/passwd\n", "leads to what is no address|leads to file:"),
        (HEAD + "#EXTINF:1,\nconcat:http://127.0.0.1:{port}/1.ts\n", "leads to what is no address"),
        (HEAD + "#EXTINF:1,\ncrypto+{evil}/1.ts\n", r"leads to crypto\+http:"),
        (HEAD + "#EXTINF:1,\nsubfile,,start,0,end,99,,:/etc/passwd\n", "answers 404|leads to"),
        (HEAD + "#EXTINF:1,\n/to-evil\n", "private address"),  # a redirect of its own server
        (HEAD + "#EXTINF:1,\n/round\n", "redirected more than 5 times"),
        ("#EXTM3U\n" + "#" * (1 << 21), "longer than 1048576 bytes"),
    ],
)
def test_a_playlist_reaches_no_other_private_server(page: str, message: str) -> None:
    with Pages() as pages, Pages() as evil:
        for path in ("/1.ts", "/live.m3u8", "/init.mp4", "/key"):
            evil.add(path, SEGMENT)
        pages.add("/1.ts", SEGMENT)
        pages.redirect("/to-evil", evil.url("/1.ts"))
        pages.redirect("/round", pages.url("/round"))
        text = page.replace("{evil}", evil.url("")).replace("{port}", str(evil.port))
        pages.add("/live.m3u8", text.encode(), "application/vnd.apple.mpegurl")
        with watched(pages.url("/live.m3u8")) as watch:
            _, gap = watch.gap_after(0)
        assert gap.reason in ("limit", "decode", "unreachable"), gap
        assert re.search(message, gap.message), gap.message
        assert evil.hits == []


def test_a_redirect_of_the_stream_itself() -> None:
    with Pages() as pages, Pages() as evil:
        evil.pages["/cam"] = mjpeg_page(threading.Event())
        pages.redirect("/cam", evil.url("/cam"))
        with watched(pages.url("/cam")) as watch:
            _, gap = watch.gap_after(0)
            assert gap.reason == "limit"
            assert "leads to the private address 127.0.0.1; allow_private would let it" in gap.message
        assert evil.hits == []
        with watched(pages.url("/cam"), allow_private=True) as watch:
            watch.wait(Frame)
        assert evil.hits


def test_a_password_goes_to_its_own_server_alone() -> None:
    """Also where another one, which is allowed, asks for it."""
    seen = []
    with Pages() as pages, Pages() as other:

        def asking(request: object) -> None:
            seen.append(request.headers.get("Authorization"))  # type: ignore[attr-defined]
            request.send_response(401)  # type: ignore[attr-defined]
            request.send_header("WWW-Authenticate", 'Basic realm="give it to me"')  # type: ignore[attr-defined]
            request.send_header("Content-Length", "0")  # type: ignore[attr-defined]
            request.end_headers()  # type: ignore[attr-defined]

        other.pages["/cam"] = asking
        pages.redirect("/cam", other.url("/cam"))
        with watched(pages.url("/cam", "user:s3cr3t@"), allow_private=True) as watch:
            _, gap = watch.gap_after(0)
            assert gap.reason == "refused"
    assert seen
    assert set(seen) == {None}


def test_hls_of_its_own_server_is_watched() -> None:
    with Pages() as pages, HlsFeed(pages):
        pages.add(
            "/master.m3u8", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\nlive.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=8\nx\n"
        )
        with watched(pages.url("/master.m3u8?token=s3cr3t")) as watch:
            watch.wait(Frame, count=5)
        assert "/x" not in pages.hits


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_no_text_breaks_the_reader_of_playlists(text: str) -> None:
    for page in (text, "#EXTM3U\n" + text, "#EXTM3U\n#EXT-X-MAP:" + text, "#EXTM3U\n#EXTINF:" + text + "\nx"):
        said = ""
        try:
            parse(page, ORIGIN)
        except OpenError as error:
            said = str(error)
        assert said.isprintable(), "one line for a person"


def test_a_playlist_in_full() -> None:
    text = """#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-MAP:URI="init.mp4",BYTERANGE="100@0"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T12:00:00.500+01:00
#EXTINF:4.0,title
#EXT-X-BYTERANGE:1000@100
all.mp4
#EXTINF:2.5,
#EXT-X-BYTERANGE:500
all.mp4
#EXT-X-GAP
#EXTINF:2,
gone.mp4
#EXTINF:2,
http://cdn.example/more.mp4?a=b
#EXT-X-ENDLIST
"""
    found = parse(text, ORIGIN)
    rows = [(s.number, s.address.url(), s.first_byte, s.byte_count, str(s.date)[11:22]) for s in found.segments]
    assert rows == [
        (7, "http://cam.example/all.mp4", 100, 1000, "11:00:00.50"),
        (8, "http://cam.example/all.mp4", 1100, 500, "11:00:04.50"),
        (10, "http://cdn.example/more.mp4?a=b", 0, None, "11:00:09+00"),
    ]
    assert found.is_over
    assert found.target_seconds == 4
    header = found.segments[0].header
    assert header is not None
    assert (header.address.url(), header.first_byte, header.byte_count) == ("http://cam.example/init.mp4", 0, 100)
