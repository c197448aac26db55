"""Reading a token from standard input."""

import sys

import click

MAX_INPUT = 1024 * 1024


def token_from_stdin() -> str:
    """Return the token without the line break and a leading ``Bearer``. Raises UsageError when there is none."""
    text = sys.stdin.read(MAX_INPUT).strip()
    token = text.removeprefix("Bearer ").strip()
    if not token:
        raise click.UsageError("give the token on standard input, for example: sidecar token inspect < token.txt")
    return token
