"""``sidecar token verify``."""

import click

from sidecar.cli import exits
from sidecar.cli.output import examples, fail, leave, output_option, paint, print_json
from sidecar.model.errors import SidecarError

from .reading import token_from_stdin


@click.command(
    "verify",
    epilog=examples(
        "sidecar token verify --config config.yaml < token.txt", "sidecar token verify --config config.yaml --output json < token.txt"
    ),
)
@click.option("--config", required=True, envvar="SIDECAR_CONFIG", metavar="PATH", help="The configuration whose issuers count.")
@output_option
def command(config: str, output: str) -> None:
    """Verify a token as the sidecar would, and say which check fails. Keys are fetched from the issuer's URL if it has one.

    Exit 0: it holds. 1: it is rejected. 3: it could not be found out (keys unavailable).
    """
    from sidecar.app.token_check import verify_token_with  # noqa: PLC0415 - loads cryptography

    token = token_from_stdin()
    try:
        verdict = verify_token_with(config, token)
    except (SidecarError, OSError) as error:
        fail(error, output)
    code = {"verified": exits.OK, "rejected": exits.NEGATIVE}.get(verdict.word, exits.FAILED)
    if output == "json":
        print_json({"ok": code == exits.OK, "verdict": verdict.word, **verdict.facts})
        leave(code)
    click.echo(paint(verdict.word, "green" if code == exits.OK else "red"))
    for name, value in verdict.facts.items():
        click.echo(f"  {name}: {value}")
    leave(code)
