"""The options that say which key file is meant, and which peppers it uses."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sidecar.cli.output import fail
from sidecar.model.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.app.key_files import KeyFile

F = TypeVar("F", bound=Callable[..., Any])


def file_options(command: F) -> F:
    """Add ``--file`` or ``--config`` with ``--store``, and ``--pepper``."""
    for option in (
        click.option(
            "--pepper",
            "peppers",
            multiple=True,
            metavar="ID=file:PATH|env:NAME",
            help="A pepper by id, beside --file. With --config the configured ones are known.",
        ),
        click.option("--store", metavar="NAME", help="Which of `api_keys`; may be missing when there is just one."),
        click.option("--config", envvar="SIDECAR_CONFIG", metavar="PATH", help="A configuration that names the key file and its peppers."),
        click.option("--file", "file", metavar="PATH", help="The key file itself."),
    ):
        command = option(command)
    return command


def resolve(file: str | None, config: str | None, store: str | None, peppers: tuple[str, ...], output: str) -> "KeyFile":
    """Return the key file meant. Ends the command when it cannot be told."""
    from sidecar.app.key_files import configured_key_file, plain_key_file  # noqa: PLC0415 - loads YAML

    if file:
        return plain_key_file(file, dict(_pepper(text) for text in peppers))
    if not config:
        raise click.UsageError("say which key file: --file PATH, or --config PATH (with --store NAME)")
    try:
        return configured_key_file(config, store)
    except SidecarError as error:
        fail(error, output)


def _pepper(text: str) -> tuple[str, tuple[str, str]]:
    identifier, _, source = text.partition("=")
    kind, _, value = source.partition(":")
    if not identifier or kind not in {"file", "env"} or not value:
        raise click.BadParameter(f"{text!r} is not ID=file:PATH or ID=env:NAME", param_hint="--pepper")
    return identifier, (kind, value)
