"""``sidecar keys revoke``."""

import click

from sidecar.cli import exits
from sidecar.cli.output import examples, fail, output_option, print_json
from sidecar.model.errors import SidecarError

from .options import file_options, resolve


@click.command(
    "revoke",
    epilog=examples("sidecar keys revoke billing-1 --file keys.yaml", "sidecar keys revoke billing-1 --config config.yaml"),
)
@click.argument("key_id", metavar="ID")
@file_options
@output_option
def command(key_id: str, file: str | None, config: str | None, store: str | None, peppers: tuple[str, ...], output: str) -> None:
    """Set `revoked: true` on a key. Sidecars that watch the file refuse it within a second; the entry stays, for the records.

    Exit 1 when no key has that id.
    """
    from sidecar.app.key_files import NoSuchKey, revoke_key  # noqa: PLC0415 - loads YAML

    target = resolve(file, config, store, peppers, output)
    try:
        revoke_key(target, key_id)
    except NoSuchKey as error:
        fail(error, output, exits.NEGATIVE)
    except (SidecarError, OSError) as error:
        fail(error, output)
    if output == "json":
        print_json({"ok": True, "id": key_id, "revoked": True, "file": target.path})
    else:
        click.echo(f"{key_id}: revoked in {target.path}")
