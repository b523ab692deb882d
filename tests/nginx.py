"""Where nginx and its RTMP module are, for the tests of RTMP and HLS: installed, or unpacked into .venv by setup."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

_MODULE = Path("usr/lib/nginx/modules/ngx_rtmp_module.so")


def nginx() -> tuple[Path, Path] | None:
    """Return the program and the path for its `load_module`; None where there is no nginx with RTMP."""
    unpacked = Path(sys.prefix)
    if (unpacked / "bin/nginx").exists() and (unpacked / "nginx" / _MODULE).exists():
        return unpacked / "bin/nginx", unpacked / "nginx" / _MODULE
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    return (Path(program), Path("/") / _MODULE) if program and (Path("/") / _MODULE).exists() else None
