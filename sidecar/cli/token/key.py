"""``sidecar token key``."""

import click

from sidecar.cli.output import examples, fail, print_json
from sidecar.model.errors import SidecarError

ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA")


@click.command(
    "key",
    epilog=examples(
        "sidecar token key --out key.json > jwks.json", "sidecar token key --alg RS256 --kid 2026-1 --out key.json > jwks.json"
    ),
)
@click.option("--alg", type=click.Choice(ALGORITHMS), default="ES256", show_default=True, help="The algorithm that the key is for.")
@click.option("--kid", default="trial", show_default=True, metavar="ID", help="The key's id.")
@click.option("--out", required=True, metavar="PATH", help="Where the private key goes (a JWK, mode 0600). An existing file stays.")
@click.option("--output", type=click.Choice(["json"]), default="json", show_default=True, help="The answer is JSON only.")
def command(alg: str, kid: str, out: str, output: str) -> None:
    """Make a signing key: the private JWK goes to a file, the public JWKS to standard output.

    Use the JWKS as `keys: {file: jwks.json}` of an issuer.
    """
    from sidecar.app.trials import new_signing_key  # noqa: PLC0415 - loads cryptography

    try:
        public = new_signing_key(alg, kid, out)
    except (SidecarError, OSError) as error:
        fail(error, output)
    print_json(public)
