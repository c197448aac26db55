"""``sidecar serve``."""

import click

from .output import examples, leave


@click.command(
    "serve",
    epilog=examples(
        "sidecar serve --config /etc/sidecar/config.yaml",
        "sidecar serve --config /etc/sidecar/conf.d      # a mounted ConfigMap",
        "SIDECAR_CONFIG=config.yaml sidecar serve",
        "sidecar serve --config config.yaml --shadow-config candidate.yaml",
    ),
)
@click.option(
    "--config",
    required=True,
    envvar="SIDECAR_CONFIG",
    metavar="PATH",
    help="A YAML file, or a directory whose *.yaml and *.yml are merged.",
)
@click.option(
    "--shadow-config",
    metavar="PATH",
    help="A candidate configuration: a sample of the checks is decided by it, too, and what it would do otherwise is recorded and counted.",
)
@click.option(
    "--shadow-share",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="The part of the checks that the candidate is asked about.",
)
def command(config: str, shadow_config: str | None, shadow_share: float) -> None:
    """Answer Envoy's checks until SIGTERM.

    The configuration is watched and reloaded; one that is invalid, or that changes what is guarded, leaves the last good one in
    use. SIGTERM drains and exits 0; a second one exits 1 at once. An invalid configuration at start is printed as
    file:line: key: message, exit 1; a listener that cannot be opened is exit 3.
    """
    from sidecar.app.lifecycle import serve  # noqa: PLC0415 - loaded when serving

    leave(serve(config, shadow_config, shadow_share))
