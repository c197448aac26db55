"""Requests for tests of the core, without protobuf."""

from collections.abc import Mapping, Sequence

from sidecar.model.request import CheckInput
from sidecar.model.settings import CredentialPlace
from sidecar.wire._gen.ext_authz_pb2 import AttributeContext


class ListHeaders:
    """Headers from pairs, as raw mode gives them."""

    merged = False

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = list(pairs)

    def names(self) -> list[str]:
        return [name for name, _ in self._pairs]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]

    def get(self, name: str) -> str | None:
        values = self.all(name)
        return ",".join(values) if values else None


def make_input(
    method: str = "GET",
    path: str = "/",
    host: str = "api.example.com",
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    source_ip: str = "10.0.0.9",
    context: Mapping[str, str] | None = None,
    body: str = "",
) -> CheckInput:
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    return CheckInput(method, host, path, ListHeaders(pairs), "id-1", source_ip, context or {}, AttributeContext.HttpRequest(body=body))


def header_place(
    name: str = "authorization", scheme: str | None = "Bearer", prefix: str | None = None, *, forward: bool = True
) -> CredentialPlace:
    return CredentialPlace(kind="header", name=name, scheme=scheme, prefix=prefix, forward=forward)


def key_place(name: str = "x-api-key", prefix: str | None = None, *, forward: bool = False) -> CredentialPlace:
    return header_place(name, None, prefix, forward=forward)


def cookie_place(name: str = "session", *, forward: bool = True) -> CredentialPlace:
    return CredentialPlace(kind="cookie", name=name, scheme=None, prefix=None, forward=forward)


def query_place(name: str = "access_token", *, forward: bool = False) -> CredentialPlace:
    return CredentialPlace(kind="query", name=name, scheme=None, prefix=None, forward=forward)
