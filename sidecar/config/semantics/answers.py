"""``identity_headers``, ``strip_headers``, ``acknowledge``."""

from sidecar.config.convert.place import Place
from sidecar.config.guard import is_change_name, known_changes
from sidecar.config.marks import shown
from sidecar.config.suggest import did_you_mean, hint_for
from sidecar.model.settings import Settings


def fold(name: str) -> str:
    """Read a header name as a careless backend would: every character that is no letter or digit is a hyphen."""
    return "".join(char if char.isalnum() else "-" for char in name.lower())


def check_answers(settings: Settings, place: Place) -> None:
    """Note identity headers that nothing can fill, or that a backend takes for one another."""
    seen: dict[str, str] = {}
    mapped = {name for issuer in settings.issuers.values() for name in issuer.claims.attributes}
    credentials = _credential_headers(settings)
    for header in settings.identity_headers:
        first = seen.setdefault(fold(header.name), header.name)
        if first != header.name:
            place.wrong(("identity_headers", header.name), f"a backend may take this name and {first!r} for the same", "rename one")
        if header.name in credentials:
            message = f"{credentials[header.name]!r} reads credentials from this header, and it cannot be both"
            place.wrong(("identity_headers", header.name), message, "rename it")
        head, _, name = header.source.partition(".")
        if head == "attributes" and name not in mapped:
            hint = hint_for(name, mapped, "map it under claims.attributes of an issuer")
            place.wrong(("identity_headers", header.name), f"no issuer maps the attribute {shown(name)!r}", hint)
        if head == "metadata" and not settings.api_keys:
            place.wrong(("identity_headers", header.name), "metadata comes from API keys, and there are none", "remove it")
    for name in sorted(settings.acknowledge):
        if not is_change_name(name):
            hint = _change_hint(name.partition(":")[0])
            place.wrong(("acknowledge",), f"{shown(name)!r} is not the name of a change", hint)


def _credential_headers(settings: Settings) -> dict[str, str]:
    """Header name to the authenticator that reads credentials there."""
    read = [(name, issuer.credentials) for name, issuer in settings.issuers.items()]
    read += [(name, store.credentials) for name, store in settings.api_keys.items()]
    return {one.name: name for name, credentials in read for one in credentials if one.kind == "header"}


def _change_hint(name: str) -> str:
    whole = {known.partition(":")[0]: known for known in known_changes()}
    return f"write {whole[name]}" if name in whole else did_you_mean(name, whole) or f"there are {', '.join(known_changes())}"
