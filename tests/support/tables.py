"""Key sets and tables of API keys made in one go, where the product reads them in slices; what a key it makes looks like."""

import zlib
from collections.abc import Iterable, Mapping

from sidecar.authn.api_key import ALPHABET, ApiKeyTable
from sidecar.authn.key_file import read_entries
from sidecar.authn.keyset import KeySet, read_jwks
from sidecar.model.key_entry import KeyEntry
from sidecar.model.secret import Secret
from sidecar.model.steps import to_end


def parse_jwks(document: bytes) -> KeySet:
    """Raises SourceError as ``read_jwks`` does."""
    return to_end(read_jwks(document))


def build_table(entries: Iterable[KeyEntry], *, store: str, peppers: Mapping[str, Secret], wall: float) -> ApiKeyTable:
    """Raises SourceError as ``read_entries`` does."""
    return to_end(read_entries(entries, store=store, peppers=peppers, wall=wall))


def checksum_holds(key: str) -> bool:
    """Whether the last six characters of a key are the CRC-32 of the others, as a secret scanner would look."""
    value = 0
    for character in key[-6:]:
        value = value * len(ALPHABET) + ALPHABET.index(character)
    return value == zlib.crc32(key[:-6].encode())
