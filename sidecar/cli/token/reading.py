"""Reading a token, or another credential, from standard input."""

import sys

import click

MAX_INPUT = 1024 * 1024


def token_from_stdin(example: str = "sidecar token inspect < token.txt") -> str:
    """Return it without the line break and a leading ``Bearer``. Raises UsageError, with an ``example``, when there is none."""
    text = sys.stdin.read(MAX_INPUT).strip()
    token = text.removeprefix("Bearer ").strip()
    if not token:
        raise click.UsageError(f"there is nothing on standard input: give the token there, for example: {example}")
    return token
