"""``sidecar token``: trials with tokens."""

import click

from sidecar.cli.lazy import Entry, LazyGroup
from sidecar.cli.output import examples


@click.group(
    "token",
    cls=LazyGroup,
    entries={
        "key": Entry("sidecar.cli.token.key:command", "Make a signing key for trials and print its JWKS."),
        "mint": Entry("sidecar.cli.token.mint:command", "Sign a token with a local key."),
        "inspect": Entry("sidecar.cli.token.inspect:command", "Show what a token says, without verifying it."),
        "verify": Entry("sidecar.cli.token.verify:command", "Verify a token against a configuration; says which check fails."),
    },
    epilog=examples(
        "sidecar token key --out key.json > jwks.json",
        "sidecar token mint --key key.json --iss https://idp.example.com --aud https://api.example.com --sub alice > token.txt",
        "sidecar token verify --config config.yaml < token.txt",
    ),
)
def group() -> None:
    """Try tokens out. Tokens are read from standard input, so that they don't end up in the shell's history."""
