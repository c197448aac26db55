"""What changes outside of routes and trust: unsafe settings, how requests are read, what upstreams are told, roles and policies."""

from collections.abc import Iterator

from sidecar.app.unsafe import unsafe_settings
from sidecar.model.settings import IdentityHeader, Settings

from .atoms import condition_text
from .changes import Effect, Setting
from .grants import Granting
from .sides import Sides
from .words import plain, text_of


def other_changes(sides: Sides) -> Iterator[Setting]:
    """Give all of it."""
    old, new = sides.old.reviewed.settings, sides.new.reviewed.settings
    yield from _unsafe(old, new)
    yield from _reading(old, new)
    yield from _headers(old, new)
    yield from _roles(sides.old.reviewed.granting, sides.new.reviewed.granting)
    yield from _policies(old, new)
    for name in dict.fromkeys((*old.attributes, *new.attributes)):
        before, after = (text_of(plain(side.attributes.get(name))) for side in (old, new))
        if before != after:
            yield Setting("none", "attributes", name, before, after)


def _unsafe(old: Settings, new: Settings) -> Iterator[Setting]:
    before, after = unsafe_settings(old), unsafe_settings(new)
    yield from (Setting("opens", "unsafe", key, "", "on") for key in after if key not in before)
    yield from (Setting("closes", "unsafe", key, "on", "") for key in before if key not in after)


def _reading(old: Settings, new: Settings) -> Iterator[Setting]:
    """How paths and addresses are read decides which route a request reaches, and what conditions look at."""
    one, other = old.server, new.server
    for key in ("trailing_slash", "case"):
        before, after = getattr(one.paths, key), getattr(other.paths, key)
        if before != after:
            yield Setting("changes", "server", f"paths.{key}", before, after)
    if one.client_address != other.client_address:
        yield Setting("changes", "server", "client_address", text_of(plain(one.client_address)), text_of(plain(other.client_address)))
    if old.timezone != new.timezone:
        yield Setting("none", "environment", "timezone", old.timezone, new.timezone)
    if (one.allowed_peers, one.tls is None) != (other.allowed_peers, other.tls is None):
        words = [f"tls {'off' if side.tls is None else 'on'}, {text_of(side.allowed_peers) or 'any peer'}" for side in (one, other)]
        yield Setting(_peers(one.allowed_peers, other.allowed_peers), "server", "allowed_peers", *words)


def _peers(old: tuple[str, ...], new: tuple[str, ...]) -> Effect:
    """Nobody named: anyone may ask."""
    return "closes" if new and (not old or set(new) <= set(old)) else "opens"


def _headers(old: Settings, new: Settings) -> Iterator[Setting]:
    before, after = ({header.name: header for header in side.identity_headers} for side in (old, new))
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        if one != other:
            yield Setting(_header(one, other), "identity_headers", name, _said(one), _said(other))
    removed = [name for name in old.strip_headers if name not in new.strip_headers]
    # What a client sends under such a name reaches the upstream from now on, unless another entry covers it.
    yield from (Setting("none" if _covered(name, new) else "opens", "strip_headers", name, "removed", "") for name in removed)
    yield from (Setting("closes", "strip_headers", name, "", "removed") for name in new.strip_headers if name not in old.strip_headers)


def _covered(name: str, new: Settings) -> bool:
    own = [header.name for header in new.identity_headers]
    return name in own or any(other.endswith("*") and name.startswith(other[:-1]) for other in new.strip_headers)


def _header(old: IdentityHeader | None, new: IdentityHeader | None) -> Effect:
    """One that goes away can be sent by clients from then on; one that is written another way may let an identity pass that was refused."""
    if old is None or new is None:
        return "closes" if old is None else "opens"
    return "changes"


def _said(header: IdentityHeader | None) -> str:
    if header is None:
        return ""
    return f"from {header.source}" + (", percent-encoded" if header.percent_encode else "") + (", expanded" if header.expand else "")


def _roles(old: Granting, new: Granting) -> Iterator[Setting]:
    """What is written in a role, and what its holders have in all."""
    if old is new:
        return
    touched = [name for name in dict.fromkeys((*old.settings, *new.settings)) if old.settings.get(name) != new.settings.get(name)]
    heirs = {heir for name in touched for side in (old, new) for heir in side.standing_for(name)}
    for name in dict.fromkeys((*old.settings, *new.settings)):
        if name in heirs:
            before, after = (set(side.permissions([name]).names) if name in side.settings else None for side in (old, new))
            gained, lost = sorted((after or set()) - (before or set())), sorted((before or set()) - (after or set()))
            state = "new" if before is None else "gone" if after is None else "changed"
            if gained or lost or state != "changed":
                yield Setting("none", "roles", name, f"without {', '.join(lost)}" if lost else "", _gains(state, gained))


def _gains(state: str, gained: list[str]) -> str:
    return state + (f": with {', '.join(gained)}" if gained else "")


def _policies(old: Settings, new: Settings) -> Iterator[Setting]:
    for name in dict.fromkeys((*old.policies, *new.policies)):
        before, after = (_policy(side, name) for side in (old, new))
        if before != after:
            yield Setting("none", "policies", name, before, after)


def _policy(settings: Settings, name: str) -> str:
    policy = settings.policies.get(name)
    if policy is None:
        return ""
    return f"{policy.effect}{' (in shadow)' if policy.shadow else ''}: {condition_text(policy.condition)}"
