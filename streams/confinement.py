"""What a process may still do once it has shut itself off: Linux's Landlock. It needs no rights, and cannot be undone.

Files other than those that are named can then be neither read nor written, nothing can be executed, no process outside
can be traced or sent a signal, and threads and processes that are begun later are shut off too. The network is left.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from contextlib import suppress

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIRECTORY, _DEVICE = 1 << 1, 1 << 2, 1 << 3, 1 << 15
_SCOPES = 0b11
"""Abstract sockets and signals."""

_RIGHTS = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
"""Over files, by the version of Landlock that brought them."""

_SET_NO_NEW_PRIVS = 38
"""Of prctl."""


def version() -> int:
    """Return the version of Landlock that the kernel has; 0 where it has none, or does not let it be used."""
    return max(0, int(ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)))


def renounce_privileges() -> None:
    """Let no program that is executed from here on gain rights (setuid)."""
    ctypes.CDLL(None).prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def shut_off(*, readable: Iterable[str], listable: Iterable[str], devices: Iterable[str]) -> bool:
    """Shut the calling thread off, and say whether that was possible; `renounce_privileges` goes before it.

    readable: files and folders with all that is in them; listable: folders of which only names may be read; devices:
    readable, and may also be written to and asked for things of their own. What does not exist is passed over.
    """
    found = version()
    if not found:
        return False
    handled = sum(rights for since, rights in _RIGHTS.items() if found >= since)
    attributes = struct.pack("QQQ", handled, 0, _SCOPES)[: 8 if found < 4 else 16 if found < 6 else 24]
    call = ctypes.CDLL(None, use_errno=True).syscall
    rules = call(_CREATE_RULESET, attributes, len(attributes), 0)
    if rules < 0:
        return False
    try:
        read = _READ_FILE | _READ_DIRECTORY
        rows = ((readable, read), (listable, _READ_DIRECTORY), (devices, read | _WRITE_FILE | _DEVICE))
        for paths, rights in rows:
            for path in paths:
                with suppress(OSError):
                    _allow(rules, path, rights & handled)
        return bool(call(_RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    """Add what may be done with a file or a folder. Raises OSError where it does not exist."""
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):  # noqa: PTH112
            rights &= ~_READ_DIRECTORY
        rule = struct.pack("=Qi", rights, place)
        ctypes.CDLL(None).syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, 0)
    finally:
        os.close(place)
