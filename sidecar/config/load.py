"""Bytes to settings: the whole way, and every problem that can be found at once."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from sidecar.model.errors import ConfigError, Problem
from sidecar.model.key_entry import KeyEntry
from sidecar.model.settings import FileAttribute, KeyStoreSettings, Settings

from .convert.place import MAX_PROBLEMS, Enough, Place
from .convert.settings import to_settings
from .files import MAX_KEY_FILE, ConfigFiles, read_bounded
from .keyfile import KeyFileRead, read_key_file
from .lint import lint
from .merge import merge
from .schema.root import Config
from .semantics.answers import check_answers
from .semantics.attributes import check_attributes
from .semantics.authenticators import check_authenticators
from .semantics.files import check_files
from .semantics.listeners import check_listeners
from .semantics.policies import check_policies
from .semantics.rbac import check_rbac
from .semantics.routes import check_routes
from .tables import MAX_TABLE, Entries, read_table
from .words import problems_of
from .yaml_reader import read_yaml


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid configuration; ``key_entries`` by key store, ``tables`` by attribute source."""

    settings: Settings
    warnings: tuple[Problem, ...]
    key_entries: Mapping[str, tuple[KeyEntry, ...]]
    tables: Mapping[str, Entries] = field(default_factory=dict)


def load(files: ConfigFiles, environment: Collection[str], *, with_files: bool = True) -> Loaded:
    """Validate a configuration.

    Args:
        files: its bytes.
        environment: names of the environment variables that are set, for ``{env: NAME}``.
        with_files: look at the files that it names, too, and read its key files. Without it, it can be
            checked on another machine than the one it is for.

    Raises:
        ConfigError: with every problem found.

    """
    document = merge((read_yaml(name, content) for name, content in files.files), files.path)
    problems = list(document.problems)
    try:
        model = Config.model_validate(document.value)
    except ValidationError as error:
        raise _invalid([*problems, *problems_of(error, Config, document.mark)]) from None
    if problems:
        raise _invalid(problems)
    place = Place(document.mark, files.base)
    try:
        settings = to_settings(model, document.value, place)
        keys = _check(settings, files, place, environment if with_files else None)
        tables = dict(_tables(settings, place)) if with_files else {}
    except Enough:
        raise _invalid(place.problems) from None
    if place.problems:
        raise _invalid(place.problems)
    lint(settings, keys, place)
    return Loaded(settings, tuple(place.warnings), {name: read.entries for name, read in keys.items()}, tables)


def _check(settings: Settings, files: ConfigFiles, place: Place, environment: Collection[str] | None) -> dict[str, KeyFileRead]:
    """Note everything that is wrong; return the key files, unless ``environment`` is None: then no file is looked at."""
    check_listeners(settings, place)
    check_authenticators(settings, place, is_directory=files.is_directory)
    check_rbac(settings, place)
    check_routes(settings, place)
    check_attributes(settings, place)
    check_policies(settings, place)
    check_answers(settings, place)
    if environment is None:
        return {}
    check_files(settings, place, environment)
    return {store.name: _read_keys(store, place) for store in settings.api_keys.values()}


def _read_keys(store: KeyStoreSettings, place: Place) -> KeyFileRead:
    """Read a store's file; one that is missing was reported by ``check_files`` already."""
    try:
        data = read_bounded(store.path, MAX_KEY_FILE, place.mark.where(("api_keys", store.name, "store", "file")))
    except ConfigError as error:
        known = {problem.where for problem in place.problems}
        place.problems.extend(problem for problem in error.problems if problem.where not in known)
        return KeyFileRead((), (), error.problems)
    read = read_key_file(store.path, data, frozenset(store.peppers))
    place.problems.extend(read.problems)
    return read


def _tables(settings: Settings, place: Place) -> Iterator[tuple[str, Entries]]:
    """Read the files of attribute sources; one that is missing was reported by ``check_files`` already."""
    for source in settings.attributes.values():
        if not isinstance(source.source, FileAttribute):
            continue
        path = source.source.path
        try:
            data = read_bounded(path, MAX_TABLE, place.mark.where(("attributes", source.name, "file", "path")))
        except ConfigError as error:
            known = {problem.where for problem in place.problems}
            place.problems.extend(problem for problem in error.problems if problem.where not in known)
            continue
        entries, problems = read_table(path, data, source.source.format)
        place.problems.extend(problems)
        yield source.name, entries


def _invalid(problems: list[Problem]) -> ConfigError:
    return ConfigError(tuple(dict.fromkeys(problems))[:MAX_PROBLEMS])
