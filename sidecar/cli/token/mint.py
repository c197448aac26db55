"""``sidecar token mint``."""

import json

import click

from sidecar.cli.output import examples, fail, output_option, print_json
from sidecar.model.errors import SidecarError


@click.command(
    "mint",
    epilog=examples(
        "sidecar token mint --key key.json --iss https://idp.example.com --aud https://api.example.com --sub alice",
        "sidecar token mint --key key.json --iss … --aud … --sub alice --claim 'roles=[\"admin\"]' --claim email=a@example.com",
        "sidecar token mint --key key.pem --alg RS256 --iss … --aud … --sub alice --expires-in -1m      # one that has expired",
    ),
)
@click.option("--key", "key_file", required=True, metavar="PATH", help="A private JWK or PEM; for HS256 the file with the secret.")
@click.option("--alg", metavar="ALG", help="Default: the JWK's own `alg`.")
@click.option("--kid", metavar="ID", help="Default: the JWK's own `kid`.")
@click.option("--typ", default="at+jwt", show_default=True, metavar="TYPE", help="The header's `typ`; empty for none.")
@click.option("--iss", required=True, metavar="TEXT", help="Issuer.")
@click.option("--aud", "audiences", multiple=True, metavar="TEXT", help="Audience; repeat for several.")
@click.option("--sub", metavar="TEXT", help="Subject.")
@click.option("--claim", "claims", multiple=True, metavar="NAME=VALUE", help="VALUE is JSON, or else text. Repeat for several.")
@click.option("--expires-in", default="5m", show_default=True, metavar="DURATION", help="Until `exp`; -1m is a minute ago.")
@output_option
def command(
    key_file: str,
    alg: str | None,
    kid: str | None,
    typ: str,
    iss: str,
    audiences: tuple[str, ...],
    sub: str | None,
    claims: tuple[str, ...],
    expires_in: str,
    output: str,
) -> None:
    """Sign a token with a local key. For trials: a real issuer is never imitated, since its key is not here."""
    from sidecar.app.trials import mint  # noqa: PLC0415 - loads cryptography

    extra = dict(_claim(text) for text in claims)
    try:
        token = mint(key_file, expires_in, extra, alg=alg, kid=kid, typ=typ, iss=iss, audiences=audiences, sub=sub)
    except (SidecarError, OSError) as error:
        fail(error, output)
    if output == "json":
        print_json({"ok": True, "token": token})
    else:
        click.echo(token)


def _claim(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--claim")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
