"""``sidecar token inspect``."""

import json

import click

from sidecar.cli import exits
from sidecar.cli.output import examples, fail, output_option, paint, print_json
from sidecar.model.errors import SidecarError

from .reading import token_from_stdin


@click.command(
    "inspect", epilog=examples("sidecar token inspect < token.txt", "sidecar token inspect --output json < token.txt | jq .claims")
)
@output_option
def command(output: str) -> None:
    """Show the header and the claims of a token. Nothing is verified, and the signature is not shown.

    Exit 1 when it is not a well-formed token; the answer says why.
    """
    from sidecar.app.trials import inspect_token  # noqa: PLC0415 - loads cryptography

    try:
        seen = inspect_token(token_from_stdin())
    except SidecarError as error:
        fail(error, output, exits.NEGATIVE)
    if output == "json":
        print_json({"ok": True, "verified": False, "header": seen.header, "claims": seen.claims, "times": seen.times})
        return
    click.echo(paint("not verified", "yellow"))
    click.echo("header  " + json.dumps(seen.header, indent=2, ensure_ascii=False).replace("\n", "\n        "))
    click.echo("claims  " + json.dumps(seen.claims, indent=2, ensure_ascii=False).replace("\n", "\n        "))
    for name, words in seen.times.items():
        click.echo(f"{name}     {words}")
