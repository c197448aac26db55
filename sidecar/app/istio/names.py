"""Names of the configuration for what Istio calls otherwise."""

import re
from collections.abc import Iterable
from typing import Final

MAX_NAME: Final = 63
_UNUSABLE = re.compile(r"[^A-Za-z0-9]+")


class Names:
    """Hands out names, each once."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        """Never give out those that are ``reserved``."""
        self._taken = set(reserved)

    def take(self, text: str) -> str:
        """Return a usable name like ``text``, with a number where it was given out before."""
        base = _UNUSABLE.sub("-", text).strip("-") or "unnamed"
        number, name = 1, base[:MAX_NAME].rstrip("-")
        while name in self._taken:
            number += 1
            end = f"-{number}"
            name = base[: MAX_NAME - len(end)].rstrip("-") + end
        self._taken.add(name)
        return name
