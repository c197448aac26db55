"""The whole decision, in the documented order: malformed, host, path, route, method, preflight, credentials, require, headers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import credentials, people, tokens
from .grants import Grants, require
from .paths import read_host, read_path
from .people import Person
from .request import ERRORS, GRPC, Refusal, Request, Verdict
from .routes import by_method, in_context, routes_at, server
from .upstream import identity, query_removed, seen, unordered

Config = Mapping[str, Any]
Keys = Mapping[str, Sequence[Mapping[str, Any]]]
MAX_HEADERS = 1000
MAX_HEADER_BYTES = 256 * 1024


def decide(config: Config, keys: Keys, request: Request, now: float) -> Verdict:
    """Decide a request under a configuration (as data), with the entries of each key store, at a wall time in seconds."""
    route = ""
    try:
        read_size(request)
        route, preflight = choose(config, request)
        person, reason = (Person(anonymous=True), "preflight") if preflight else authorised(config, keys, route, request, now)
        own = {} if person.anonymous else identity(config, person, Grants(config, person))
    except Refusal as refused:
        return Verdict(refused.reason, refused.status, route, told=told(config, route, request, refused))
    return Verdict(
        reason,
        200,
        route,
        seen(config, request, own, person),
        query_removed(config, request, person),
        person.subject,
        unordered=unordered(config),
    )


def told(config: Config, route: str, request: Request, refused: Refusal) -> frozenset[str]:
    """Return what the client's headers say of a denial: docs/reference/headers.md, security rule 17."""
    said = {"no-store", *(f"allow {method}" for method in refused.methods)}
    if request.lines("content-type")[:1] and request.lines("content-type")[0].startswith("application/grpc"):
        said.add(f"grpc-status {GRPC[refused.status]}")
    if refused.status == 401 and config["routes"][route]["authenticate"] != ["anonymous"]:
        said.add("challenge")
    if refused.reason in ERRORS and takes_bearer(config, route):  # RFC 6750: the error is a word of Bearer's own
        said |= {"challenge", f"error {ERRORS[refused.reason]}"}
    return frozenset(said)


def takes_bearer(config: Config, route: str) -> bool:
    """Tell whether the route takes bearer tokens: by that scheme, or in a cookie or parameter."""
    names = [name for name in config["routes"][route]["authenticate"] if name != "anonymous"]
    places = [place for name in names for place in credentials.places_of(config, name)]
    return any(place.get("scheme", "").lower() == "bearer" or "header" not in place for place in places)


def read_size(request: Request) -> None:
    size = sum(len(name.encode()) + len(value.encode("utf-8", "surrogateescape")) for name, value in request.headers)
    if len(request.headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise Refusal("malformed_request")


def choose(config: Config, request: Request) -> tuple[str, bool]:
    """Return the route, and whether the request is its preflight. Raises Refusal."""
    host = read_host(request.host)
    if host is None:
        raise Refusal("ambiguous_host")
    reading = read_path(request.path, server(config, "paths", "case", "sensitive"))
    if reading is None or hides_bytes(request):
        raise Refusal("ambiguous_path")
    routes = config["routes"]
    names = [name for name in routes_at(config, host, reading).names if in_context(routes[name], request.context)]
    if not names:
        raise Refusal("ambiguous_path" if reading.features else "no_route")
    asked = preflight_route(routes, names, request)
    fitting = [asked] if asked else by_method(routes, names, request.method)
    if not fitting:
        methods = {method for name in names for method in routes[name]["methods"]}
        raise Refusal("method_not_allowed", methods=frozenset(methods | ({"HEAD"} if "GET" in methods else set())))
    if reading.features - set(routes[fitting[0]].get("allow", ())):
        raise Refusal("ambiguous_path")
    return fitting[0], bool(asked)


def hides_bytes(request: Request) -> bool:
    """Tell whether a ``!`` in the path may stand for a byte that is not UTF-8: raw headers alone show that it does not."""
    lines = request.lines(":path") if request.raw else []
    return "!" in request.path.split("?")[0] and not (lines and all(line.isascii() for line in lines))


def preflight_route(routes: Mapping[str, Any], names: Sequence[str], request: Request) -> str | None:
    """Return the route that a CORS preflight belongs to; an OPTIONS route of its own wins."""
    wanted = request.get("access-control-request-method")
    if request.method != "OPTIONS" or not wanted or not request.get("origin"):
        return None
    if any("OPTIONS" in (routes[name].get("methods") or ()) for name in names):
        return None
    asked = by_method(routes, [name for name in names if routes[name].get("cors_preflight") == "allow"], wanted)
    return asked[0] if asked else None


def authorised(config: Config, keys: Keys, name: str, request: Request, now: float) -> tuple[Person, str]:
    """Return who asks, and the allowing reason. Raises Refusal."""
    route = config["routes"][name]
    shown = credentials.find(config, route, request)
    if shown is None:
        if "anonymous" not in route["authenticate"] or route.get("require"):
            raise Refusal("missing_credential", 403 if route["authenticate"] == ["anonymous"] else 0)
        return Person(anonymous=True), "anonymous"
    person = verified(config, keys, shown, name, request, now)
    require(route.get("require", {}), Grants(config, person))
    return person, "permitted"


def verified(config: Config, keys: Keys, shown: credentials.Shown, route: str, request: Request, now: float) -> Person:
    """Return the person that a credential stands for. Raises Refusal."""
    if shown.issuers:
        if shown.text is None:
            raise Refusal("invalid_token")
        issuer, claims = tokens.check(config, shown.issuers, shown.text, now)
        return replace(people.of_token(config, issuer, claims, now), shown_at=shown.at)
    if shown.text is None:
        first = next(name for name in config["routes"][route]["authenticate"] if name in config["api_keys"])
        raise Refusal("invalid_api_key", config["api_keys"][first].get("invalid_status", 403))
    where = (route, people.client_address(config, request))
    return replace(people.of_key(config, keys, shown.stores, shown.text, where, now), shown_at=shown.at)
