"""A request as Envoy asks about it, and what the reference says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Request:
    """``headers``: lines in order, names in lower case; ``raw``: told as header_map, else as a map with repeats joined by a comma."""

    method: str = "GET"
    host: str = "api.example.com"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    context: Mapping[str, str] = field(default_factory=dict)
    source_ip: str = "10.0.0.9"
    raw: bool = True

    def lines(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str | None:
        lines = self.lines(name)
        return ",".join(lines) if lines else None

    def as_map(self) -> "Request":
        """The same request, as Envoy tells it without raw headers."""
        names = dict.fromkeys(name for name, _ in self.headers)
        return replace(self, raw=False, headers=tuple((name, ",".join(self.lines(name))) for name in names))


@dataclass(frozen=True)
class Verdict:
    """What should come of a request. ``upstream``: header lines that the upstream sees (on an allow), sorted."""

    reason: str
    status: int
    route: str = ""
    upstream: tuple[tuple[str, str], ...] = ()
    query_removed: frozenset[str] = frozenset()
    subject: str = ""
    told: frozenset[str] = frozenset()
    """Of a denial: ``no-store``, ``grpc-status N``, ``allow METHOD`` for each, ``challenge`` where there is one, ``error WORD`` in it."""
    unordered: tuple[tuple[str, str], ...] = ()
    """Names of headers whose members have no documented order, and what stands between these."""

    @property
    def allows(self) -> bool:
        return self.reason in {"permitted", "anonymous", "preflight"}


STATUS = {
    "malformed_request": 400,
    "ambiguous_path": 400,
    "ambiguous_host": 400,
    "multiple_credentials": 400,
    "missing_credential": 401,
    "invalid_token": 401,
    "expired_token": 401,
    "invalid_api_key": 403,
    "insufficient_scope": 403,
    "insufficient_permission": 403,
    "no_route": 403,
    "unsafe_identity": 403,
    "credential_not_allowed_here": 403,
    "method_not_allowed": 405,
    "keys_unavailable": 503,
}


GRPC = {400: 3, 401: 16, 403: 7, 405: 12, 429: 8, 503: 14}
ERRORS = {"invalid_token": "invalid_token", "expired_token": "invalid_token", "insufficient_scope": "insufficient_scope"}


class Refusal(Exception):
    """The request is refused for this reason. ``methods``: those that the place has, where none fits."""

    def __init__(self, reason: str, status: int = 0, methods: frozenset[str] = frozenset()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.methods = methods
        self.status = status or STATUS[reason]
