"""From a permission or a role back to the roles that bring it, and the way from the one to the other."""

from collections.abc import Iterable, Iterator, Mapping

from sidecar.model.permission import REST, PermissionSet, compile_permissions
from sidecar.model.settings import RoleSettings

NOBODY: frozenset[str] = frozenset()


class Granting:
    """Which roles of a configuration bring what. The cost of a question does not depend on the number of roles that do not."""

    def __init__(self, roles: Mapping[str, RoleSettings]) -> None:
        """Index what each role itself is given."""
        self.settings = roles
        self._named: dict[str, set[str]] = {}
        self._heirs: dict[str, set[str]] = {}
        for role in roles.values():
            for permission in role.permissions:
                self._named.setdefault(permission, set()).add(role.name)
            for parent in role.inherits:
                self._heirs.setdefault(parent, set()).add(role.name)
        self._wild = {name: compile_permissions([name]) for name in self._named if _in_the_middle(name)}
        self._standing: dict[str, frozenset[str]] = {}
        self._bringing: dict[str, frozenset[str]] = {}

    def standing_for(self, role: str) -> frozenset[str]:
        """Return the roles whose holders have ``role``: itself, and whatever inherits it."""
        known = self._standing.get(role)
        if known is None:
            found, waiting = {role}, [role]
            while waiting:
                for heir in self._heirs.get(waiting.pop(), ()):
                    if heir not in found:
                        found.add(heir)
                        waiting.append(heir)
            known = self._standing[role] = frozenset(found)
        return known

    def bringing(self, permission: str) -> frozenset[str]:
        """Return the roles whose holders have ``permission``."""
        known = self._bringing.get(permission)
        if known is None:
            own = {role for name in self.names_granting(permission) for role in self._named[name]}
            known = self._bringing[permission] = NOBODY.union(*map(self.standing_for, own))
        return known

    def naming(self, permission: str) -> frozenset[str]:
        """Return the roles whose holders have a permission of exactly this name."""
        return NOBODY.union(*map(self.standing_for, self._named.get(permission, ())))

    def names_granting(self, permission: str) -> Iterator[str]:
        """Give each name in ``roles`` that grants ``permission``: itself and wildcards."""
        candidates = [permission, REST]
        end = permission.find(":")
        while end >= 0:
            candidates.append(f"{permission[: end + 1]}{REST}")
            end = permission.find(":", end + 1)
        yield from (name for name in dict.fromkeys(candidates) if name in self._named)
        yield from (name for name, compiled in self._wild.items() if name not in candidates and compiled.grants(permission))

    def way_to_permission(self, role: str, permission: str) -> tuple[str, ...]:
        """Return the chain from a role over those that it inherits to the permission that grants; empty if there is none."""
        for way in self._ways(role):
            for name in self.settings[way[-1]].permissions if way[-1] in self.settings else ():
                if compile_permissions([name]).grants(permission):
                    return (*way, name)
        return ()

    def way_to_role(self, role: str, wanted: str) -> tuple[str, ...]:
        """Return the chain from a role to one that it inherits; empty if there is none."""
        return next((way for way in self._ways(role) if way[-1] == wanted), ())

    def _ways(self, role: str) -> Iterator[tuple[str, ...]]:
        """Give the shortest way to each role that ``role`` stands for, nearest first."""
        seen = {role}
        waiting: list[tuple[str, ...]] = [(role,)]
        for way in waiting:  # grows while it is walked
            yield way
            for parent in self.settings[way[-1]].inherits if way[-1] in self.settings else ():
                if parent not in seen:
                    seen.add(parent)
                    waiting.append((*way, parent))

    def closure(self, roles: Iterable[str]) -> frozenset[str]:
        """Return every role that these stand for."""
        return frozenset(way[-1] for role in roles for way in self._ways(role))

    def permissions(self, roles: Iterable[str], direct: Iterable[str] = ()) -> PermissionSet:
        """Return all permissions that come with roles, and with what is given directly."""
        names = [name for role in sorted(self.closure(roles)) if role in self.settings for name in self.settings[role].permissions]
        return compile_permissions([*names, *direct])


def _in_the_middle(name: str) -> bool:
    return REST in name.split(":")[:-1]
