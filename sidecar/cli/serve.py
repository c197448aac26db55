"""``sidecar serve``."""

import click

from .output import examples, leave


@click.command(
    "serve",
    epilog=examples(
        "sidecar serve --config /etc/sidecar/config.yaml",
        "sidecar serve --config /etc/sidecar/conf.d      # a mounted ConfigMap",
        "SIDECAR_CONFIG=config.yaml sidecar serve",
    ),
)
@click.option(
    "--config",
    required=True,
    envvar="SIDECAR_CONFIG",
    metavar="PATH",
    help="A YAML file, or a directory whose *.yaml and *.yml are merged.",
)
def command(config: str) -> None:
    """Answer Envoy's checks until SIGTERM.

    The configuration is watched and reloaded; one that is invalid, or that changes what is guarded, leaves the last good one in
    use. SIGTERM drains and exits 0; a second one exits 1 at once. An invalid configuration at start is printed as
    file:line: key: message, exit 1; a listener that cannot be opened is exit 3.
    """
    from sidecar.app.lifecycle import serve  # noqa: PLC0415 - loaded when serving

    leave(serve(config))
