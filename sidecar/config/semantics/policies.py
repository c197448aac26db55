"""``policies`` where they are attached: that they exist, have the right effect, and find the attributes that they name."""

from collections.abc import Iterator

from sidecar.config.convert.place import Place
from sidecar.config.marks import KeyPath, shown
from sidecar.config.suggest import hint_for
from sidecar.engine.routes import path_variables
from sidecar.engine.templates import USER_ID
from sidecar.model.settings import RouteSettings, Settings

from .attributes import source_of, variables_of

REQUIRING = ("policies", "any_policy")


def check_policies(settings: Settings, place: Place) -> None:
    """Note what is wrong with the attachment of policies."""
    attached: set[str] = set()
    for number, name in enumerate(settings.default_deny):
        attached.add(name)
        _check_use(name, "deny", ("defaults", "deny", number), settings, place)
    for route in settings.routes.values():
        attached.update(_check_route(route, settings, place))
    for policy in settings.policies.values():
        if policy.effect == "deny" and policy.name not in attached:
            message = "denies nothing: no route and no default attaches it"
            place.wrong(("policies", policy.name), message, "name it under `deny` of a route or of defaults, or remove it")


def _check_route(route: RouteSettings, settings: Settings, place: Place) -> set[str]:
    path: KeyPath = ("routes", route.name)
    bound = bound_variables(route)
    for name, text in route.resource.items():
        for variable in sorted(path_variables(text)):
            if variable not in bound:
                hint = hint_for(variable, sorted(bound), "the path has no variables")
                place.wrong((*path, "resource", name), f"names {{{variable}}}, which not every path of the route binds", hint)
    own = [name for name in route.deny if name not in settings.default_deny]
    for name in own:
        _check_use(name, "deny", (*path, "deny"), settings, place)
    required = list(_required(route))
    for keyword, names in required:
        for number, name in enumerate(names):
            _check_use(name, "allow", (*path, "require", keyword, number), settings, place)
        shadows = [name for name in names if name in settings.policies and settings.policies[name].shadow]
        if len(shadows) == len(names):
            message = "has only policies in shadow, which never count: this key would demand nothing"
            place.wrong(
                (*path, "require", keyword), message, "enforce one of them, or try the whole configuration with serve --shadow-config"
            )
    names = (*route.deny, *(name for _, several in required for name in several))
    for name in dict.fromkeys(names):
        _check_resources(name, route, bound, settings, place)
    return set(names)


def _required(route: RouteSettings) -> Iterator[tuple[str, tuple[str, ...]]]:
    for keyword, names in route.require.parts if route.require is not None else ():
        if keyword in REQUIRING:
            yield keyword, names


def bound_variables(route: RouteSettings) -> frozenset[str]:
    """Return the path variables that every path of the route binds."""
    bound = [path_variables(path) for path in route.paths]
    return frozenset.intersection(*bound)


def _check_use(name: str, effect: str, path: KeyPath, settings: Settings, place: Place) -> None:
    policy = settings.policies.get(name)
    if policy is None:
        if not place.mark.has(("policies", name)):  # one that is there and cannot be used was reported already
            place.wrong(path, f"there is no policy {shown(name)!r}", hint_for(name, settings.policies, "define it under `policies`"))
    elif policy.effect != effect:
        way = "require it, or give it effect: deny" if effect == "deny" else "name it under `deny`, or give it effect: allow"
        place.wrong(path, f"policy {name!r} has effect {policy.effect}, which counts for nothing here", way)


def _check_resources(name: str, route: RouteSettings, bound: frozenset[str], settings: Settings, place: Place) -> None:
    policy = settings.policies.get(name)
    for attribute in sorted(policy.attributes) if policy is not None else ():
        head, _, rest = attribute.partition(".")
        source = source_of(attribute, settings)
        if source is not None:
            for variable in variables_of(source):
                if variable != USER_ID and variable not in route.resource and variable not in bound:
                    message = f"policy {name!r} looks at {attribute}, whose source {source.name!r} needs {{{variable}}}"
                    place.wrong(("routes", route.name), message, f"bind {{{variable}}} in every path, or give it under `resource`")
        elif head == "resource" and rest not in route.resource and rest not in bound:
            message = f"policy {name!r} looks at {attribute}, which this route does not have"
            place.wrong(("routes", route.name), message, f"give it under `resource`, or bind {{{rest}}} in every path")
