"""Writes a starter configuration: tried with the real validation first, and nothing is overwritten unasked."""

import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sidecar.app import private_files
from sidecar.app.validation import validate_sync
from sidecar.model.errors import ConfigError, Problem, SidecarError, Where

from .config_text import KEY_FILE, PEPPER_FILE, config_text, key_file_text
from .envoy_text import envoy_text
from .wishes import Wishes

CONFIG_FILE = "sidecar.yaml"
ENVOY_FILE = "envoy.yaml"
PEPPER_BYTES = 32


class AlreadyThere(SidecarError):
    """A file that would be overwritten."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was done. ``kept``: key file and pepper that were there; they are never replaced, since nobody could make them again."""

    config: str
    files: tuple[str, ...]
    kept: tuple[str, ...]
    warnings: tuple[Problem, ...]


def write_starter(wishes: Wishes, out: str, *, force: bool) -> Written:
    """Write the files into the directory ``out``, which is made.

    Raises:
        AlreadyThere: without ``force``.
        ConfigError: what was wished for makes no valid configuration; nothing is written.
        BadWish, OSError.
    """
    folder = Path(out)
    public = {CONFIG_FILE: config_text(wishes)} | ({ENVOY_FILE: envoy_text(wishes)} if wishes.envoy else {})
    if not force and (there := [str(folder / name) for name in public if (folder / name).exists() or (folder / name).is_symlink()]):
        raise AlreadyThere(f"{', '.join(there)}: is there already; --force replaces it, --out DIR writes elsewhere")
    private = {KEY_FILE: key_file_text(), PEPPER_FILE: secrets.token_hex(PEPPER_BYTES) + "\n"} if wishes.api_keys else {}
    kept = tuple(name for name in private if (folder / name).exists())
    warnings = _tried(public[CONFIG_FILE], private, kept, folder)
    folder.mkdir(parents=True, exist_ok=True)
    if private:
        (folder / KEY_FILE).parent.mkdir(mode=0o700, exist_ok=True)
    for name, text in private.items():
        if name not in kept:
            private_files.write_new(str(folder / name), text.encode())
    for name, text in public.items():
        _write_public(folder / name, text, force=force)
    made = tuple(str(folder / name) for name in (*public, *private) if name not in kept)
    return Written(str(folder / CONFIG_FILE), made, tuple(str(folder / name) for name in kept), warnings)


def _write_public(path: Path, text: str, *, force: bool) -> None:
    if force and path.exists():
        private_files.replace(str(path), text.encode())
    else:
        with path.open("x", encoding="utf-8") as file:  # with the umask's mode: it holds no secret
            file.write(text)


def _tried(config: str, private: dict[str, str], kept: tuple[str, ...], folder: Path) -> tuple[Problem, ...]:
    """Validate in a folder of its own, beside what is kept; return the warnings. Raises ConfigError with the places of ``folder``."""
    with tempfile.TemporaryDirectory(prefix="sidecar-init-") as scratch:
        trial = Path(scratch)
        (trial / CONFIG_FILE).write_text(config, encoding="utf-8")
        (trial / KEY_FILE).parent.mkdir(mode=0o700)
        for name, text in private.items():
            if name in kept:
                shutil.copyfile(folder / name, trial / name)
            else:
                private_files.write_new(str(trial / name), text.encode())
        try:
            warnings = validate_sync(str(trial / CONFIG_FILE)).warnings
        except ConfigError as error:
            raise ConfigError(tuple(_moved(problem, scratch, folder) for problem in error.problems)) from None
        return tuple(_moved(problem, scratch, folder) for problem in warnings)


def _moved(problem: Problem, scratch: str, folder: Path) -> Problem:
    where = problem.where
    file, message, hint = (text.replace(scratch, str(folder)) for text in (where.file, problem.message, problem.hint))
    return Problem(Where(file, where.line, where.key), message, hint)
