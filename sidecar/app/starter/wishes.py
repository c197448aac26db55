"""What the operator wants, by flags or by answers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from sidecar.model.errors import SidecarError

DEFAULT_ISSUER = "https://idp.example.com"
DEFAULT_AUDIENCE = "https://api.example.com"
DEFAULT_LISTEN = "unix:///run/sidecar/check.sock"
DEFAULT_ROUTES = ("GET /api/v1/posts posts:read", "POST /api/v1/posts posts:create", "GET /healthz public")
DEFAULT_UPSTREAM = "127.0.0.1:8081"
PUBLIC = "public"
ROUTE_FORM = "write '[METHODS] PATH [PERMISSION|public]', for example 'GET,HEAD /posts posts:read'"
_METHODS = re.compile(r"[A-Z]+(?:,[A-Z]+)*")
_MAX_NAME = 60


class BadWish(SidecarError):
    """What was asked for cannot be read; the text says which part and the way out."""


@dataclass(frozen=True, slots=True)
class RouteWish:
    """One route. Without methods any; ``permission``: None for anyone who is known, ``public`` for everyone."""

    name: str
    methods: tuple[str, ...]
    path: str
    permission: str | None

    @property
    def public(self) -> bool:
        """Whether it is open to everyone."""
        return self.permission == PUBLIC

    @property
    def reads(self) -> bool:
        """Whether it only reads, as far as its methods say."""
        return bool(self.methods) and set(self.methods) <= {"GET", "HEAD"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """All of it. ``envoy``: an Envoy configuration beside it, leading to ``upstream`` (``host:port``)."""

    issuer: str = DEFAULT_ISSUER
    audiences: tuple[str, ...] = (DEFAULT_AUDIENCE,)
    listen: str = DEFAULT_LISTEN
    transport: str = "auto"
    api_keys: bool = False
    routes: tuple[RouteWish, ...] = field(default_factory=lambda: read_routes(DEFAULT_ROUTES))
    envoy: bool = False
    upstream: str = DEFAULT_UPSTREAM


def read_routes(texts: Iterable[str]) -> tuple[RouteWish, ...]:
    """Read routes and name each by its methods and path. Raises BadWish."""
    taken: set[str] = set()
    routes = []
    for text in texts:
        methods, path, permission = read_route(text)
        base = _slug(f"{'-'.join(methods)}-{path}")
        name = next(name for number in range(1, 1000) if (name := base if number == 1 else f"{base}-{number}") not in taken)
        taken.add(name)
        routes.append(RouteWish(name, methods, path, permission))
    if not routes:
        raise BadWish(f"no route: {ROUTE_FORM}")
    if all(route.public for route in routes):
        raise BadWish(f"every route is public, so that nobody is asked who they are: {ROUTE_FORM}")
    return tuple(routes)


def read_route(text: str) -> tuple[tuple[str, ...], str, str | None]:
    """Read one route: methods, path, permission. Raises BadWish."""
    words = text.split()
    methods = tuple(words.pop(0).split(",")) if words and _METHODS.fullmatch(words[0]) else ()
    if not words or not words[0].startswith("/") or len(words) > 2:  # noqa: PLR2004 - path and permission
        raise BadWish(f"{text!r} is no route: {ROUTE_FORM}")
    return methods, words[0], words[1] if len(words) > 1 else None


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_MAX_NAME].rstrip("-") or "root"
