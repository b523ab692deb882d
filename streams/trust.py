"""Whose certificates a stream believes. Knows TLS by the standard library; connects to nothing."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import lru_cache

from streams.errors import OpenError


@dataclass(frozen=True, slots=True)
class Trust:
    """How a server proves that it is the one that was asked for.

    ca_file: PEM of the authorities that are believed, or of a server's own certificate; None for those of the system
    verify: False believes anybody: whoever sits on the way can show other pictures, and read the password
    """

    ca_file: str | None = None
    verify: bool = True

    def context(self) -> ssl.SSLContext:
        """Return how TLS is spoken. Raises OpenError where the file holds no certificate."""
        try:
            return _context(self.ca_file, self.verify)
        except OSError as error:
            what = error.strerror if not isinstance(error, ssl.SSLError) else None
            raise OpenError(f"ca_file: {self.ca_file}: {what or 'holds no certificate'}", reason="limit") from None

    def file(self) -> str | None:
        """Return the file of authorities for who cannot ask the system itself; None where the system names none."""
        return self.ca_file or ssl.get_default_verify_paths().cafile


@lru_cache(maxsize=64)
def _context(ca_file: str | None, verify: bool) -> ssl.SSLContext:
    """Reading the authorities takes 10 ms and more, which HLS would spend on each segment."""
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
