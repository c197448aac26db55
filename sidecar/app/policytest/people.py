"""The principals of policy tests, held to what the configuration can make of a credential."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sidecar.authn.issuer import is_fetched
from sidecar.authn.jose import parse_token
from sidecar.config.marks import KeyPath
from sidecar.config.schema.policytest import WAYS, PrincipalSpec
from sidecar.config.suggest import hint_for
from sidecar.model.errors import Problem, SourceError
from sidecar.model.key_entry import KeyEntry
from sidecar.model.outcome import Rejected
from sidecar.model.secret import Secret
from sidecar.model.settings import IssuerSettings, KeyStoreSettings, Settings

from .files import Source, Suite, hint_of_names, named
from .grants import Complain, check_grants

ANONYMOUS = "anonymous"
MAX_TOKEN = 64 * 1024

Way: TypeAlias = Literal["anonymous", "granted", "claims", "key", "token", "api_key"]


@dataclass(frozen=True, slots=True, eq=False)
class Who:
    """One principal. ``authenticator``: who vouches, or where a real credential is shown; ``secret``: that credential."""

    name: str
    way: Way
    authenticator: str
    spec: PrincipalSpec
    secret: str = field(default="", repr=False)


NOBODY = Who(ANONYMOUS, "anonymous", "", PrincipalSpec())


class People:
    """Makes principals of what test files say. What is wrong goes to ``problems``; then there is no principal."""

    def __init__(
        self,
        settings: Settings,
        problems: list[Problem],
        key_entries: Callable[[KeyStoreSettings], tuple[KeyEntry, ...]],
        read_secret: Callable[[str, str], Secret],
    ) -> None:
        """``key_entries``: reads a store's key file; raises ConfigError. ``read_secret(kind, value)`` raises SourceError."""
        self._settings = settings
        self._problems = problems
        self._key_entries = key_entries
        self._read_secret = read_secret
        self._named: dict[tuple[Source, str], Who | None] = {}
        self.all: list[Who] = []

    def named(self, suite: Suite, name: str, at: KeyPath) -> Who | None:
        """Return the principal that ``suite`` knows by a name, which stands at ``at``."""
        if name == ANONYMOUS:
            return NOBODY
        source = named(suite.sources, "principals", name)
        if source is None:
            hint = hint_of_names(suite.sources, "principals", name, ANONYMOUS)
            self._problems.append(suite.source.problem(at, f"there is no principal {name!r}", hint))
            return None
        key = (source, name)
        if key not in self._named:
            self._named[key] = None  # whoever comes here again meanwhile goes round in a circle, which is reported below
            self._named[key] = self._made(suite, source, source.tests.principals[name], ("principals", name), name)
        return self._named[key]

    def inline(self, suite: Suite, spec: PrincipalSpec, at: KeyPath) -> Who | None:
        """Return the principal that stands at ``at`` of the suite's own file."""
        if spec.like is not None and spec.model_fields_set == {"like"}:
            return self.named(suite, spec.like, _like(suite.source, at))
        return self._made(suite, suite.source, spec, at, spec.like or "somebody")

    def _made(self, suite: Suite, source: Source, spec: PrincipalSpec, at: KeyPath, name: str) -> Who | None:
        complaints: list[Problem] = []

        def complain(step: KeyPath, message: str, hint: str = "") -> None:
            complaints.append(source.problem((*at, *step), message, hint))

        whole = self._whole(suite, source, spec, at, ())
        who = None if whole is None else self._who(source, name, whole, complain)
        self._problems += complaints
        if who is None or complaints:
            return None
        self.all.append(who)
        return who

    def _whole(self, suite: Suite, source: Source, spec: PrincipalSpec, at: KeyPath, seen: tuple[str, ...]) -> PrincipalSpec | None:
        """Follow ``like`` to its end."""
        if spec.like is None:
            return spec
        place = _like(source, at)
        below = named(suite.sources, "principals", spec.like)
        if below is None or spec.like in seen:
            hint = "" if below else hint_of_names(suite.sources, "principals", spec.like)
            message = f"goes round in a circle: {' → '.join([*seen, spec.like])}" if below else f"there is no principal {spec.like!r}"
            self._problems.append(source.problem(place, message, hint))
            return None
        base = self._whole(suite, below, below.tests.principals[spec.like], ("principals", spec.like), (*seen, spec.like))
        if base is None:
            return None
        changes = {name: getattr(spec, name) for name in spec.model_fields_set if name != "like"}
        merged = base.model_copy(update={"like": None, "subject": base.subject or _own_subject(base, spec.like), **changes})
        fault = merged.fault()
        if fault is not None:
            self._problems.append(source.problem(at, f"with what it is like, it {fault[0]}", fault[1]))
            return None
        return merged

    def _who(self, source: Source, name: str, spec: PrincipalSpec, complain: Complain) -> Who | None:
        way = next((way for way in WAYS if getattr(spec, way) is not None), None)
        if way in {"token", "api_key"}:
            return self._real(source, name, spec, complain)
        vouching = self._authenticator(spec, complain)
        if vouching is None:
            return None
        if way == "claims":
            if isinstance(vouching, KeyStoreSettings):
                complain(("claims",), f"{vouching.name} is a store of API keys, and only tokens have claims", "write what is granted")
            return Who(name, "claims", vouching.name, spec)
        if way == "key":
            return self._key(name, spec, vouching, complain)
        spec = spec.model_copy(update={"subject": spec.subject or name})
        check_grants(spec, vouching, self._settings, complain)
        return Who(name, "granted", vouching.name, spec)

    def _authenticator(self, spec: PrincipalSpec, complain: Complain) -> IssuerSettings | KeyStoreSettings | None:
        known: Mapping[str, IssuerSettings | KeyStoreSettings] = {**self._settings.issuers, **self._settings.api_keys}
        if spec.authenticator is None:
            if len(known) == 1:
                return next(iter(known.values()))
            complain((), "does not say who vouches for it", f"write authenticator: one of {', '.join(known)}")
            return None
        if spec.authenticator not in known:
            hint = hint_for(spec.authenticator, known)
            complain(("authenticator",), f"there is no issuer and no key store {spec.authenticator!r}", hint)
        return known.get(spec.authenticator)

    def _key(self, name: str, spec: PrincipalSpec, store: IssuerSettings | KeyStoreSettings, complain: Complain) -> Who:
        if isinstance(store, IssuerSettings):
            complain(("key",), f"{store.name} is an issuer, and only stores of API keys have keys", "name a store as authenticator")
        else:
            ids = [entry.id for entry in self._key_entries(store)]
            if spec.key not in ids:
                complain(("key",), f"there is no key {spec.key!r} in {store.path}", hint_for(spec.key or "", ids))
        return Who(name, "key", store.name, spec)

    def _real(self, source: Source, name: str, spec: PrincipalSpec, complain: Complain) -> Who | None:
        way: Way = "token" if spec.token is not None else "api_key"
        reference = spec.token or spec.api_key
        assert reference is not None
        try:
            kind, value = ("env", reference.env) if reference.env else ("file", source.beside(reference.file or ""))
            text = self._read_secret(kind, value).reveal().decode("ascii").strip().removeprefix("Bearer ").strip()
        except SourceError as error:
            complain((way,), f"cannot be read: {error}", "")
            return None
        except UnicodeDecodeError:
            complain((way,), "is not ASCII, and no credential is anything else")
            return None
        shown_by = self._shown_by(spec, way, text, complain)
        return None if shown_by is None else Who(name, way, shown_by, spec, text)

    def _shown_by(self, spec: PrincipalSpec, way: Way, text: str, complain: Complain) -> str | None:
        """Whose place a real credential is shown at: its own issuer's, or the one that is said."""
        if way == "api_key":
            stores = self._settings.api_keys
            if spec.authenticator is None and len(stores) == 1:
                return next(iter(stores))
            if spec.authenticator not in stores:
                hint = f"write authenticator: one of {', '.join(stores)}" if stores else "there are none"
                complain(("authenticator",), "does not name a key store", hint)
            return spec.authenticator
        issuer = self._issuer_of(text)
        if issuer is not None and is_fetched(issuer.keys):
            message = f"the keys of {issuer.name} are fetched over the network, which tests do not use: no real token can be verified"
            complain(("token",), message, "write the principal by its subject and roles, or by `claims`")
        if spec.authenticator is not None:
            if spec.authenticator not in self._settings.issuers:
                hint = hint_for(spec.authenticator, self._settings.issuers)
                complain(("authenticator",), f"there is no issuer {spec.authenticator!r}", hint)
            return spec.authenticator
        if issuer is None and len(self._settings.issuers) != 1:
            complain(("token",), "is of no configured issuer", "say with `authenticator` where it is to be shown")
            return None
        return issuer.name if issuer is not None else next(iter(self._settings.issuers))

    def _issuer_of(self, text: str) -> IssuerSettings | None:
        token = parse_token(text, MAX_TOKEN)
        iss = None if isinstance(token, Rejected) else token.claims.get("iss")
        return next((issuer for issuer in self._settings.issuers.values() if issuer.issuer == iss), None)


def _own_subject(spec: PrincipalSpec, name: str) -> str | None:
    """A principal that is granted things and says no subject is called as it is named, also by those who are like it."""
    return None if any(getattr(spec, way) is not None for way in WAYS) else name


def _like(source: Source, at: KeyPath) -> KeyPath:
    """Where a name stands: at the key itself in the short form."""
    return (*at, "like") if source.mark.has((*at, "like")) else at
