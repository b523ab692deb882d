"""What a process can no longer do once it has shut itself off; each of it is first done without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams import confinement

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or confinement.version() < 6, reason="needs Linux with Landlock 6 (kernel 6.12)"
)

ROOT = Path(__file__).parents[1]

SCRIPT = """
import json, os, subprocess, sys, threading
from pathlib import Path
from streams import isolated_child

secret, parent, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if how != "free":
    isolated_child.bound(2000, readable=isolated_child._readable(None) if how == "shut off" else None)

import streams.av_live, streams.camera, cv2, ssl, socket  # all of it can be loaded, too

def is_possible(act):
    try:
        act()
    except OSError:
        return False
    return True

def in_a_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(is_possible(secret.read_bytes)))
    thread.start()
    thread.join()
    if not found[0]:
        raise OSError

print(json.dumps({
    "read": is_possible(secret.read_bytes),
    "read in a thread": is_possible(in_a_thread),
    "list": is_possible(lambda: os.listdir(secret.parent)),
    "make": is_possible(lambda: (secret.parent / "new").touch()),
    "remove": is_possible((secret.parent / "old").unlink),
    "environment of the parent": is_possible(Path(f"/proc/{parent}/environ").read_bytes),
    "signal the parent": is_possible(lambda: os.kill(parent, 0)),
    "execute": is_possible(lambda: subprocess.run(["/bin/true"], check=True)),
    "hosts": is_possible(lambda: socket.getaddrinfo("localhost", 80)),
    "certificates": is_possible(ssl.create_default_context),
    "null": is_possible(lambda: open("/dev/null", "wb").write(b"x")),
}))
"""


@pytest.mark.parametrize("how", ["free", "bound", "shut off"])
def test_what_is_left(how: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    (tmp_path / "old").touch()
    child = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(secret), str(os.getpid()), how],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
    assert child.returncode == 0, child.stderr
    possible = {what for what, can in json.loads(child.stdout).items() if can}
    always = {"hosts", "certificates", "null"}
    if how == "shut off":
        assert possible == always
    else:
        assert possible - {"make"} == always | {
            *("read", "read in a thread", "list", "remove", "environment of the parent", "signal the parent", "execute")
        }


def test_a_kernel_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is no error: the other bounds hold all the same."""
    monkeypatch.setattr(confinement, "version", lambda: 0)
    assert not confinement.shut_off(readable=[], listable=[], devices=[])
    assert Path(__file__).read_text()
