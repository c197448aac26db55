"""``sidecar keys list``."""

import click

from sidecar.cli.output import examples, fail, output_option, paint, print_json, table
from sidecar.model.errors import SidecarError

from .options import file_options, resolve

COLOURS = {"live": "green", "revoked": "red", "expired": "yellow", "not yet": "yellow"}


@click.command(
    "list",
    epilog=examples(
        "sidecar keys list --file keys.yaml",
        "sidecar keys list --config config.yaml --store partner-keys --output json | jq '.keys[] | select(.state==\"live\")'",
    ),
)
@file_options
@output_option
def command(file: str | None, config: str | None, store: str | None, peppers: tuple[str, ...], output: str) -> None:
    """List the keys of a file: id, owner, state, digest kind, end.

    The last lines show how many live keys each pepper still serves: a pepper may go once no live key needs it, since digests
    cannot be recomputed.
    """
    from sidecar.app.key_files import list_keys  # noqa: PLC0415 - loads YAML

    try:
        listing = list_keys(resolve(file, config, store, peppers, output))
    except (SidecarError, OSError) as error:
        fail(error, output)
    if output == "json":
        print_json({"ok": True, "keys": [row._asdict() for row in listing.keys], "peppers": listing.peppers})
        return
    rows = [("ID", "OWNER", "DIGEST", "EXPIRES", "STATE")]
    rows += [(row.id, row.owner, row.digest, row.expires_at or "never", paint(row.state, COLOURS[row.state])) for row in listing.keys]
    click.echo(table(rows))
    for pepper, live in listing.peppers.items():
        click.echo(f"pepper {pepper}: {live} live key{'' if live == 1 else 's'}" + ("" if live else ", may be removed"))
