"""``sidecar keys hash``."""

import sys

import click

from sidecar.cli.output import examples, fail, output_option, print_json
from sidecar.model.errors import SidecarError

from .options import file_options, resolve


@click.command(
    "hash",
    epilog=examples(
        "sidecar keys hash --pepper 2026-1=file:pepper < key.txt",
        "sidecar keys hash --config config.yaml --store partner-keys --pepper-id 2026-1 < key.txt",
    ),
)
@file_options
@click.option("--pepper-id", metavar="ID", help="The pepper to use; may be missing when there is just one.")
@output_option
def command(file: str | None, config: str | None, store: str | None, peppers: tuple[str, ...], pepper_id: str | None, output: str) -> None:
    """Read a key from standard input and print its digest, as a key file holds it.

    For keys that another system made. A key with little randomness (a word, a short number) needs a pepper: its plain SHA-256
    can be guessed.
    """
    from sidecar.app.key_files import digest_of  # noqa: PLC0415 - loads YAML

    target = resolve(file or ("" if config else "-"), config, store, peppers, output)
    try:
        digest = digest_of(target, sys.stdin.read().removesuffix("\n"), pepper_id)
    except (SidecarError, OSError) as error:
        fail(error, output)
    if output == "json":
        print_json({"ok": True, "digest": digest})
    else:
        click.echo(digest)
