"""An API key file: bytes to entries, or problems with file, line and key."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from pydantic import ValidationError

from sidecar.model.errors import Problem, Where
from sidecar.model.key_entry import Digest, KeyEntry

from .marks import Mark, shown
from .schema.key_file import Key, KeyFile
from .suggest import hint_for
from .words import problems_of
from .yaml_reader import read_yaml


class KeyFileRead(NamedTuple):
    """A key file as read; ``places`` are those of the entries. With problems there are no entries."""

    entries: tuple[KeyEntry, ...]
    places: tuple[Where, ...]
    problems: tuple[Problem, ...]


def parse_key_file(file: str, data: bytes, peppers: Collection[str]) -> tuple[tuple[KeyEntry, ...], tuple[Problem, ...]]:
    """Read a key file; return its entries and what is wrong with it."""
    read = read_key_file(file, data, peppers)
    return read.entries, read.problems


def read_key_file(file: str, data: bytes, peppers: Collection[str]) -> KeyFileRead:
    """Read a key file, with the places of its entries.

    Args:
        file: its path, for messages.
        data: its content.
        peppers: ids of the peppers that the store configures.

    """
    document = read_yaml(file, data)
    problems = list(document.problems)
    try:
        model = KeyFile.model_validate(document.value)
    except ValidationError as error:
        return KeyFileRead((), (), (*problems, *problems_of(error, KeyFile, document.mark)))
    problems += _check(model.keys, document.mark, peppers)
    if problems:
        return KeyFileRead((), (), tuple(problems))
    places = tuple(document.mark.where(("keys", number)) for number in range(len(model.keys)))
    return KeyFileRead(tuple(_entry(key) for key in model.keys), places, ())


def _entry(key: Key) -> KeyEntry:
    return KeyEntry(
        id=key.id,
        digest=key.digest,
        owner=key.owner,
        roles=tuple(key.roles),
        permissions=tuple(key.permissions),
        scopes=tuple(key.scopes),
        routes=tuple(key.routes),
        cidrs=tuple(key.cidrs),
        not_before=key.not_before,
        expires_at=key.expires_at,
        revoked=key.revoked,
        metadata=key.metadata,
    )


def _check(keys: Iterable[Key], mark: Mark, peppers: Collection[str]) -> list[Problem]:
    problems = []
    ids: dict[str, int] = {}
    digests: dict[Digest, int] = {}
    for number, key in enumerate(keys):
        path = ("keys", number)
        if (first := ids.setdefault(key.id, number)) != number:
            problems.append(mark.problem((*path, "id"), f"keys[{first}] has the same id", "give every key its own"))
        if (first := digests.setdefault(key.digest, number)) != number:
            problems.append(mark.problem((*path, "digest"), f"keys[{first}] has the same digest", "give every key its own"))
        if key.digest.pepper_id is not None and key.digest.pepper_id not in peppers:
            hint = hint_for(key.digest.pepper_id, peppers, "configure it under `peppers` of the store")
            problems.append(mark.problem((*path, "digest"), f"there is no pepper {shown(key.digest.pepper_id)!r}", hint))
        if key.not_before is not None and key.expires_at is not None and key.not_before >= key.expires_at:
            problems.append(mark.problem((*path, "expires_at"), "ends before it starts", "expires_at must be later than not_before"))
    return problems
