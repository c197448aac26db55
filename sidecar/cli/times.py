"""Moments on the command line."""

from datetime import datetime

import click


def moment(text: str | None, option: str = "--at") -> float | None:
    """Seconds since the epoch of an RFC 3339 time. Raises UsageError."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{option} wants a time as in 2026-11-24T09:00:00Z, not {text!r}") from None
    if at.tzinfo is None:
        raise click.UsageError(f"{option} wants a time zone: put Z at the end for UTC")
    return at.timestamp()
