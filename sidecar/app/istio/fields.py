"""One field of a rule, or one key of ``when``, and its values → a condition. What cannot be said raises Untranslatable.

The reading is that of Istio's own generator (``pilot/pkg/security/authz/model/generator.go``), whose goldens the
tests hold this to.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from typing import Final, TypeAlias

from .algebra import Condition, any_of, compare, literal
from .findings import Untranslatable
from .scope import Scope
from .texts import HOST, hosts, paths, texts

Values: TypeAlias = Sequence[str]
Field: TypeAlias = Callable[[Values, Scope], Condition]

MAX_PORT: Final = 65535
MAX_VALUES: Final = 1000
METHOD: Final = "request.method"
ADDRESS: Final = "environment.ip_address"
ISSUER: Final = "user.issuer"
SUBJECT: Final = "user.id"
_PORT = re.compile(r"[0-9]{1,5}")
_HEADER_NAME = re.compile(r"\[([^\[\]]+)\]")
_CLAIM_NAMES = re.compile(r"(?:\[[^\[\]]+\])+")
_PLAIN_CLAIM = re.compile(r"[A-Za-z0-9_:-]+")


def source_ips(values: Values, scope: Scope) -> Condition:
    """Match the direct peer."""
    if scope.wishes.trusted_hops:
        raise Untranslatable(
            "the direct peer's address is not known beside that of X-Forwarded-For", "import without --trusted-hops, or use remoteIpBlocks"
        )
    return compare(ADDRESS, "in_cidr", _networks(values))


def remote_ips(values: Values, scope: Scope) -> Condition:
    """Match the client that X-Forwarded-For names."""
    if not scope.wishes.trusted_hops:
        raise Untranslatable(
            "the client's address behind proxies is not known", "say --trusted-hops and --trusted-from, and addresses are X-Forwarded-For's"
        )
    return compare(ADDRESS, "in_cidr", _networks(values))


def _networks(values: Values) -> list[str]:
    try:
        return list(dict.fromkeys(str(ip_network(value, strict=False)) for value in values))
    except ValueError:
        raise Untranslatable("one of the values is no address or network") from None


def ports(values: Values, scope: Scope) -> Condition:
    """Match the port of the workload, which is settled when the import is made."""
    wanted = [int(value) for value in values if _PORT.fullmatch(value)]
    if len(wanted) != len(values) or any(port > MAX_PORT for port in wanted):
        raise Untranslatable("one of the values is no port")
    if scope.wishes.port is None:
        raise Untranslatable("a check does not say on which port the request came", "say --port, and import once for each port")
    return scope.wishes.port in wanted


def methods(values: Values, _: Scope) -> Condition:
    """Match the method, as it is written."""
    return True if "*" in values else texts(METHOD, values, guard=False)


def request_principals(values: Values, scope: Scope) -> Condition:
    """Match ``issuer/subject`` of the token."""
    _need_tokens(scope)
    return any_of(map(_request_principal, values))


def _request_principal(value: str) -> Condition:
    issuer, slash, subject = value.rpartition("/")
    if not slash:
        issuer, subject = value, ""
    if value == "*":
        return _person({"exists": True}, {"exists": True})
    if value.startswith("*"):
        if not slash:
            return _person({"exists": True}, {"exists": True, "ends_with": literal(value[1:])})
        matched = {"exists": True} if issuer == "*" else {"exists": True, "ends_with": literal(issuer[1:])}
        return _person(matched, {"exists": True, "equals": literal(subject)}) if subject else False
    if value.endswith("*"):
        if not slash:
            return _person({"exists": True, "starts_with": literal(value[:-1])}, {"exists": True})
        matched = {"exists": True} if subject == "*" else {"exists": True, "starts_with": literal(subject[:-1])}
        return _person({"exists": True, "equals": literal(issuer)}, matched)
    if not subject:
        return False  # nobody has an empty subject
    return _person({"exists": True, "equals": literal(issuer)}, {"exists": True, "equals": literal(subject)})


def _person(issuer: Mapping[str, object], subject: Mapping[str, object]) -> Condition:
    return {ISSUER: dict(issuer), SUBJECT: dict(subject)}


def _need_tokens(scope: Scope) -> None:
    if scope.tokens:
        raise Untranslatable(scope.tokens)


def audiences(values: Values, scope: Scope) -> Condition:
    """Match the token's audiences."""
    return claim(("aud",), values, scope)


def presenter(values: Values, scope: Scope) -> Condition:
    """Match the party that the token was issued to."""
    return claim(("azp",), values, scope)


def claim(path: tuple[str, ...], values: Values, scope: Scope) -> Condition:
    """Match a claim that is a text, or any member of one that is a list."""
    _need_tokens(scope)
    if path == ("scope",):
        return _scopes(values, scope)
    if len(path) == 1 and path[0] in scope.split:
        raise Untranslatable(f"Istio splits the claim {path[0]!r} at spaces; only `scope` is read like that here")
    if all(map(_PLAIN_CLAIM.fullmatch, path)):
        return texts(f"user.claims.{'.'.join(path)}", values, guard=True)
    return texts(scope.claims.attribute(path), values, guard=True)


def _scopes(values: Values, scope: Scope) -> Condition:
    """Match a member of ``scope``, which Istio splits at spaces where it is one text."""
    if any(" " in value for value in values):
        raise Untranslatable("one of the values has a space, and `scope` is split there")
    scope.claims.scopes = True
    members = texts("user.scopes", values, guard=False)
    # A list with a member that is no text is no list of scopes here, and Istio looks at the other members.
    return any_of((members, texts("user.claims.scope", values, guard=True))) if scope.wide else members


def header(key: str, values: Values) -> Condition:
    """Match a request header: one that is missing matches nothing."""
    found = _HEADER_NAME.fullmatch(key)
    if found is None:
        raise Untranslatable("is not request.headers[NAME]")
    name = found[1].lower()
    if name == "host":
        return True if "*" in values else texts(HOST, values, guard=True)
    return texts(f"request.headers.{name}", values, guard=True, present=True)


def by_key(key: str) -> Field:
    """Return how a key of ``when`` is read. Raises Untranslatable for one that is not."""
    if key in _KEYS:
        return _KEYS[key]
    if key.startswith("request.headers"):
        return lambda values, _: header(key.removeprefix("request.headers"), values)
    if key.startswith("request.auth.claims"):
        names = key.removeprefix("request.auth.claims")
        if not _CLAIM_NAMES.fullmatch(names):
            raise Untranslatable("is not request.auth.claims[NAME]")
        return lambda values, scope: claim(tuple(names[1:-1].split("][")), values, scope)
    if key.startswith("experimental."):
        return _not_here("metadata of Envoy's filters is not looked at")
    return _not_here("no such key is known")


def _not_here(message: str) -> Field:
    def refuse(_: Values, __: Scope) -> Condition:
        raise Untranslatable(message)

    return refuse


_MESH: Final = _not_here("the caller's identity in the mesh (its certificate) is not an attribute yet")

SOURCE: Final[Mapping[str, Field]] = {
    "principals": _MESH,
    "requestPrincipals": request_principals,
    "namespaces": _MESH,
    "serviceAccounts": _MESH,
    "trustDomains": _MESH,
    "ipBlocks": source_ips,
    "remoteIpBlocks": remote_ips,
}
OPERATION: Final[Mapping[str, Field]] = {
    "hosts": lambda values, _: hosts(values),
    "ports": ports,
    "methods": methods,
    "paths": lambda values, _: paths(values),
}
_KEYS: Final[Mapping[str, Field]] = {
    "source.ip": source_ips,
    "remote.ip": remote_ips,
    "source.principal": _MESH,
    "source.namespace": _MESH,
    "source.serviceAccount": _MESH,
    "source.trustDomain": _MESH,
    "request.auth.principal": request_principals,
    "request.auth.audiences": audiences,
    "request.auth.presenter": presenter,
    "destination.ip": _not_here("a check does not say to which address the request came"),
    "destination.port": ports,
    "connection.sni": _not_here("the name that the client asked for in TLS is not an attribute"),
}
