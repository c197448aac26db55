"""What a caller may do, and whether that is what a route requires."""

from collections.abc import Mapping
from typing import Any

from .people import Person, closure, covers
from .request import Refusal


class Grants:
    """The permissions of one person under one configuration."""

    def __init__(self, config: Mapping[str, Any], person: Person) -> None:
        self.config = config
        self.person = person
        self.roles = closure(config, person.roles)
        from_roles = [text for role in self.roles for text in config.get("roles", {}).get(role, {}).get("permissions", ())]
        self.permissions = list(dict.fromkeys([*from_roles, *person.direct]))

    def grants(self, wanted: str) -> bool:
        """Effective = roles and direct ones, cut by scopes where they are a ceiling."""
        under = not self.person.ceiling or any(covers(scope, wanted) for scope in self.person.scopes)
        return under and any(covers(permission, wanted) for permission in self.permissions)

    def listed(self) -> list[str]:
        """What was granted, wildcards included."""
        if not self.person.ceiling:
            return self.permissions
        scopes = self.person.scopes
        kept = [text for text in self.permissions if any(covers(scope, text) for scope in scopes)]
        return list(dict.fromkeys(kept + [scope for scope in scopes if any(covers(text, scope) for text in self.permissions)]))

    def expanded(self) -> list[str]:
        """The concrete permissions that the configuration names."""
        named: list[str] = []
        for role in self.config.get("roles", {}).values():
            named += role.get("permissions", ())
        for entry in self.config.get("users", ()):
            named += entry.get("permissions", ())
        for route in self.config["routes"].values():
            words = route.get("require", {})
            named += [
                *([words["permission"]] if "permission" in words else []),
                *words.get("all_permissions", ()),
                *words.get("any_permission", ()),
            ]
        return [text for text in dict.fromkeys(named) if "*" not in text and self.grants(text)]


def require(words: Mapping[str, Any], grants: Grants) -> None:
    """Check every part, in the order written. Raises Refusal with the reason of the first that fails."""
    person = grants.person
    for key, value in words.items():
        wanted = [value] if isinstance(value, str) else value
        if key in {"permission", "all_permissions"}:
            held = all(grants.grants(text) for text in wanted)
        elif key == "any_permission":
            held = any(grants.grants(text) for text in wanted)
        elif key in {"role", "all_roles"}:
            held = all(role in grants.roles for role in wanted)
        elif key == "any_role":
            held = any(role in grants.roles for role in wanted)
        elif key in {"scope", "all_scopes"}:
            held = all(scope in person.scopes for scope in wanted)
        elif key == "any_scope":
            held = any(scope in person.scopes for scope in wanted)
        elif key == "audiences":
            held = any(audience in wanted for audience in person.audiences)
        else:
            held = key == "authenticated" and value is True
        if not held:
            raise Refusal("insufficient_scope" if "scope" in key else "insufficient_permission")
