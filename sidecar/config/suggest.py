"""Suggestions for misspelt names."""

from collections.abc import Iterable
from difflib import get_close_matches

from .marks import shown

MAX_LENGTH_DIFFERENCE = 4
MAX_NAMES = 200
"""Comparing costs some 20 microseconds a name."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest known name, or an empty string."""
    names = [other for other in known if abs(len(other) - len(name)) <= MAX_LENGTH_DIFFERENCE][:MAX_NAMES]
    near = get_close_matches(name[:100], names, n=1, cutoff=0.6) or [other for other in names if other.lower() == name.lower()][:1]
    return f"did you mean {near[0]!r}?" if near else ""


def listed(names: Iterable[str], most: int = 12) -> str:
    """Names for a message, safe and not too many."""
    all_names = [shown(name) for name in names]
    text = ", ".join(all_names[:most])
    return text + ", ..." if len(all_names) > most else text


def hint_for(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return ``did you mean``, or else what there is to choose from."""
    names = list(known)
    return did_you_mean(name, names) or (f"there are {listed(names)}" if names else otherwise)
