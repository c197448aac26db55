"""``sidecar schema``."""

import click

from .output import examples, print_json


@click.command("schema", epilog=examples("sidecar schema > sidecar.schema.json", "sidecar schema | jq '.properties | keys'"))
@click.option("--key-file", is_flag=True, help="The schema of API key files instead.")
@click.option("--tests", is_flag=True, help="The schema of policy test files instead.")
@click.option("--output", type=click.Choice(["json"]), default="json", show_default=True, help="The schema is JSON only.")
def command(key_file: bool, tests: bool, output: str) -> None:  # noqa: ARG001 - every command takes --output
    """Print the JSON Schema of the configuration, for editors and for checks in CI.

    Editors with a YAML language server read it from a comment in the first line of the file:
    # yaml-language-server: $schema=sidecar.schema.json
    """
    from sidecar.app.schemas import config_schema, key_file_schema, policy_tests_schema  # noqa: PLC0415 - loads pydantic

    if key_file and tests:
        raise click.UsageError("--key-file and --tests are two schemas: give one")
    print_json(key_file_schema() if key_file else policy_tests_schema() if tests else config_schema())
