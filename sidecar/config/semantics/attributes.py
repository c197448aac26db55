"""``attributes``: that nothing else gives what a source provides, that its variables exist, and how far it can be trusted."""

import re
from collections.abc import Iterator

from sidecar.authz.attributes import FIXED, OPEN_FAMILIES
from sidecar.config.addresses import fault_of_url
from sidecar.config.convert.place import Place
from sidecar.config.marks import KeyPath
from sidecar.config.suggest import hint_for
from sidecar.engine.routes import path_variables
from sidecar.engine.templates import USER_ID, variables_in
from sidecar.model.settings import AttributeSettings, HttpAttribute, RouteSettings, Settings

_BRACED = re.compile(r"\{[^{}]*\}")


def check_attributes(settings: Settings, place: Place) -> None:
    """Note what is wrong with attribute sources."""
    if not settings.attributes:
        return
    given = {name: route for route in settings.routes.values() for name in names_of(route)}
    for source in settings.attributes.values():
        path: KeyPath = ("attributes", source.name)
        _check_provided(source, given, settings, path, place)
        names = variables_of(source)
        for name in names:
            if name != USER_ID and name not in given:
                hint = hint_for(name, sorted(given), "no route has path variables")
                place.wrong((*path, *_place_of(source)), f"names {{{name}}}, which no route gives", hint)
        if source.provides.startswith("user.") and USER_ID not in names:
            message = f"gives {source.provides} without {{user.id}} in it: everybody would have the same"
            place.wrong((*path, *_place_of(source)), message, "put {user.id} into it, or provide resource.NAME")
        if isinstance(source.source, HttpAttribute):
            _check_http(source.source, settings, path, place)


def names_of(route: RouteSettings) -> frozenset[str]:
    """What a route says of its resource: its ``resource`` names, and the variables of its paths."""
    return frozenset(route.resource) | {name for path in route.paths for name in path_variables(path)}


def variables_of(source: AttributeSettings) -> tuple[str, ...]:
    """The names of the variables that a source is asked with."""
    return variables_in(source.source.url if isinstance(source.source, HttpAttribute) else source.source.key)


def source_of(attribute: str, settings: Settings) -> AttributeSettings | None:
    """Return the source that gives an attribute, or the object that it is a field of."""
    return next((one for one in settings.attributes.values() if f"{attribute}.".startswith(f"{one.provides}.")), None)


def unlooked_at(settings: Settings) -> Iterator[AttributeSettings]:
    """Give the sources of which no policy looks at anything."""
    named = {attribute for policy in settings.policies.values() for attribute in policy.attributes}
    for source in settings.attributes.values():
        if not any(f"{name}.".startswith(f"{source.provides}.") for name in named):
            yield source


def _place_of(source: AttributeSettings) -> KeyPath:
    return (source.source.kind, "url" if isinstance(source.source, HttpAttribute) else "key")


def _check_provided(source: AttributeSettings, given: dict[str, RouteSettings], settings: Settings, path: KeyPath, place: Place) -> None:
    group, _, name = source.provides.partition(".")
    by = ""
    if source.provides in FIXED or f"{source.provides}." in OPEN_FAMILIES:
        by = "every request"
    elif group == "resource" and name in given:
        by = f"route {given[name].name!r}"
    elif group == "user":
        by = next((f"issuer {one.name!r}" for one in settings.issuers.values() if name in one.claims.attributes), "")
    if by:
        place.wrong((*path, "provides"), f"{source.provides} is what {by} gives already", "give it another name")


def _check_http(http: HttpAttribute, settings: Settings, path: KeyPath, place: Place) -> None:
    fault = fault_of_url(_BRACED.sub("x", http.url), http_allowed=http.unsafe_http)
    if fault is not None:
        message, hint = fault
        if message == "is plain http":
            hint = "use https; unsafe_http: true lets anyone on the way decide what policies see"
        place.wrong((*path, "http", "url"), message, hint)
    if http.url.startswith("http:"):
        place.no_effect((*path, "http", "ca_file"), "the source is asked over plain http")
    if place.mark.has((*path, "timeout")) and http.timeout >= settings.server.check_deadline:
        message = "is not below server.check_deadline: no check could wait so long"
        place.wrong((*path, "timeout"), message, "keep it well below, such as 50ms of 150ms")
    if 0 < http.stale_max < http.cache:
        place.wrong((*path, "stale_max"), "is shorter than cache, for which an answer counts in any case", "make it longer, or remove it")
