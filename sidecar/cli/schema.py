"""``sidecar schema``."""

import click

from .output import examples, print_json


@click.command("schema", epilog=examples("sidecar schema > sidecar.schema.json", "sidecar schema | jq '.properties | keys'"))
@click.option("--output", type=click.Choice(["json"]), default="json", show_default=True, help="The schema is JSON only.")
def command(output: str) -> None:  # noqa: ARG001 - every command takes --output
    """Print the JSON Schema of the configuration, for editors and for checks in CI.

    Editors with a YAML language server read it from a comment in the first line of the file:
    # yaml-language-server: $schema=sidecar.schema.json
    """
    from sidecar.app.stores import config_schema  # noqa: PLC0415 - loads pydantic

    print_json(config_schema())
