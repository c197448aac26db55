"""The command tree."""

import click

from sidecar import __version__

from .lazy import Entry, LazyGroup
from .output import examples


@click.group(
    cls=LazyGroup,
    entries={
        "init": Entry("sidecar.cli.init:command", "Write a starter configuration."),
        "serve": Entry("sidecar.cli.serve:command", "Answer Envoy's checks."),
        "validate": Entry("sidecar.cli.validate:command", "Check a configuration before it is used."),
        "explain": Entry("sidecar.cli.explain:command", "Say why a request is allowed or denied."),
        "test": Entry("sidecar.cli.test:command", "Run policy tests against a configuration."),
        "who-can": Entry("sidecar.cli.who_can:command", "List who may use a route, or has a permission."),
        "access": Entry("sidecar.cli.access:command", "List what a principal may do."),
        "diff": Entry("sidecar.cli.diff:command", "Say what access a new configuration opens, closes and changes."),
        "doctor": Entry("sidecar.cli.doctor:command", "Look at clock, issuers, files and Envoy; say what to change."),
        "import": Entry("sidecar.cli.import_istio:group", "Turn another system's policies into a configuration."),
        "schema": Entry("sidecar.cli.schema:command", "Print the JSON Schema of the configuration."),
        "keys": Entry("sidecar.cli.keys:group", "Make, list and revoke API keys in a key file."),
        "token": Entry("sidecar.cli.token:group", "Try tokens out: make, read and verify them."),
    },
    epilog=examples(
        "sidecar validate /etc/sidecar/config.yaml",
        "sidecar serve --config /etc/sidecar/config.yaml",
        "sidecar keys new --file keys.yaml --id billing-1 --owner billing",
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="sidecar")
def root() -> None:
    """Decide who may call what: a policy decision point for Envoy's and Istio's external authorization."""
