"""``sidecar keys``: API keys in a key file."""

import click

from sidecar.cli.lazy import Entry, LazyGroup
from sidecar.cli.output import examples


@click.group(
    "keys",
    cls=LazyGroup,
    entries={
        "new": Entry("sidecar.cli.keys.new:command", "Make a key, show it once, write its digest into the key file."),
        "hash": Entry("sidecar.cli.keys.hash:command", "Print the digest of a key that you already have."),
        "list": Entry("sidecar.cli.keys.list:command", "List the keys of a file, and which peppers they still need."),
        "revoke": Entry("sidecar.cli.keys.revoke:command", "Revoke a key; running sidecars act within a second."),
    },
    epilog=examples(
        "sidecar keys new --config config.yaml --id billing-1 --owner billing --permission posts:read",
        "sidecar keys list --file keys.yaml",
        "sidecar keys revoke billing-1 --file keys.yaml",
    ),
)
def group() -> None:
    """Make, list and revoke API keys. A key file holds digests only: a lost key cannot be shown again."""
