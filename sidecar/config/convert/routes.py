"""``routes``."""

from collections.abc import Iterable

from sidecar.config.schema.routes import Require, Route
from sidecar.model.settings import RequireSettings, RouteSettings

from .place import Place


def route_settings(name: str, model: Route, written: Iterable[str], default_deny: tuple[str, ...], place: Place) -> RouteSettings:
    """Convert one route. ``written``: the keys of its ``require`` in the order of the file, which is that of reasons."""
    return RouteSettings(
        name=name,
        hosts=tuple(model.hosts or ()),
        methods=tuple(model.methods or ()),
        paths=tuple(model.paths),
        context=dict(model.match.context) if model.match else {},
        allow=frozenset(model.allow or ()),
        authenticate=tuple(model.authenticate),
        credential_conflict_first=model.credential_conflict == "first",
        require=None if model.require is None else require_settings(model.require, written),
        deny=tuple(dict.fromkeys((*default_deny, *(model.deny or ())))),
        resource=dict(model.resource or {}),
        cors_preflight=model.cors_preflight == "allow",
        unsafe_shadow_allows=model.unsafe_shadow_allows,
        where=place.mark.where(("routes", name)),
    )


def require_settings(model: Require, written: Iterable[str]) -> RequireSettings:
    """Convert ``require``."""
    return RequireSettings(parts=tuple((keyword, _values(getattr(model, keyword))) for keyword in written))


def _values(value: bool | str | list[str]) -> tuple[str, ...]:
    if isinstance(value, bool):
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
