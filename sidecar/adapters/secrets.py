"""Secrets by reference, from files and environment variables."""

import os

from sidecar.model.errors import SourceError
from sidecar.model.secret import Secret

from .files import read_bounded

MAX_SECRET = 64 * 1024
"""Bytes. Larger than any key, password or PEM bundle that is a secret; smaller than a mistake."""


class FileAndEnvSecrets:
    """Implements ``ports.SecretSource``. Errors name the reference, never the content (security rule 22)."""

    __slots__ = ()

    def read(self, kind: str, value: str) -> Secret:
        """Return the secret that ``value`` names; ``kind`` is ``file`` (one trailing newline is dropped) or ``env``.

        Raises:
            SourceError: missing, unreadable, empty, above 64 KiB, or an unknown kind.
        """
        if kind == "file":
            content = read_bounded(value, MAX_SECRET).removesuffix(b"\n")
            where = f"secret file {value}"
        elif kind == "env":
            content = _environment(value)
            where = f"environment variable {value}"
        else:
            raise SourceError(f"a secret cannot be read from {kind!r}: use file or env")
        if not content:
            raise SourceError(f"{where} is empty")
        return Secret(content)


def _environment(name: str) -> bytes:
    """Return the bytes of an environment variable."""
    content = os.environb.get(os.fsencode(name))
    if content is None:
        raise SourceError(f"environment variable {name} is not set")
    if len(content) > MAX_SECRET:
        raise SourceError(f"environment variable {name} is larger than {MAX_SECRET} bytes")
    return content
