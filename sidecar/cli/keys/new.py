"""``sidecar keys new``."""

import click

from sidecar.cli.output import examples, fail, output_option, print_json
from sidecar.model.errors import SidecarError

from .options import file_options, resolve


@click.command(
    "new",
    epilog=examples(
        "sidecar keys new --config config.yaml --id billing-1 --owner billing --permission posts:read",
        "sidecar keys new --file keys.yaml --pepper 2026-1=file:pepper --id ci --role editor --expires-in 90d",
        "sidecar keys new --file keys.yaml --id partner --cidr 10.0.0.0/8 --route list-posts",
    ),
)
@file_options
@click.option("--id", "key_id", required=True, metavar="ID", help="How records and `keys revoke` name the key; not secret.")
@click.option("--pepper-id", metavar="ID", help="The pepper to use; may be missing when there is just one.")
@click.option(
    "--prefix", default="sk", show_default=True, metavar="TEXT", help="What the key starts with, so that secret scanners find it."
)
@click.option("--owner", metavar="NAME", help="The subject of requests with this key; default: the id.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="Repeat for several.")
@click.option("--permission", "permissions", multiple=True, metavar="PERMISSION", help="Repeat for several.")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="Repeat for several.")
@click.option("--route", "routes", multiple=True, metavar="ROUTE", help="Confine the key to these routes.")
@click.option("--cidr", "cidrs", multiple=True, metavar="CIDR", help="Confine the key to these client networks.")
@click.option("--not-before", metavar="TIME", help="RFC 3339, for example 2026-12-01T00:00:00Z.")
@click.option("--expires-at", metavar="TIME", help="RFC 3339.")
@click.option("--expires-in", metavar="DURATION", help="From now: 30m, 12h, 90d.")
@output_option
def command(
    file: str | None,
    config: str | None,
    store: str | None,
    peppers: tuple[str, ...],
    key_id: str,
    pepper_id: str | None,
    prefix: str,
    expires_in: str | None,
    output: str,
    **fields: object,
) -> None:
    """Make a key, print it once, and add its digest to the key file.

    The file is replaced atomically under a lock; comments and the other entries stay as they are. Without a pepper the digest is
    a plain SHA-256, which is safe for these keys (160 random bits) but lets who has the file check guesses offline.
    """
    from sidecar.app.key_files import add_key, expiry  # noqa: PLC0415 - loads YAML

    if expires_in and fields.get("expires_at"):
        raise click.UsageError("--expires-at and --expires-in exclude each other")
    target = resolve(file, config, store, peppers, output)
    try:
        if expires_in:
            fields["expires_at"] = expiry(expires_in)
        made = add_key(target, key_id, prefix, pepper_id, {name: value for name, value in fields.items() if value})
    except (SidecarError, OSError) as error:
        fail(error, output)
    if output == "json":
        print_json({"ok": True, "key": made.key, "entry": made.entry, "file": target.path})
    else:
        click.echo(made.key)
        click.echo(f"{key_id}: added to {target.path}. The key above is shown this once.", err=True)
