"""What was imported, as the text of a configuration: each rule with its origin, and what is not carried over above it all."""

from collections.abc import Iterator
from typing import Any

from .findings import Finding, Kind
from .translate import Imported, Policy
from .yaml_text import block, flow, scalar

WORDS = {
    Kind.BLOCKING: "NOT CARRIED OVER, AND IT KEEPS PEOPLE OUT",
    Kind.DENIED: "denied more widely",
    Kind.LEFT_OUT: "left out, so that it allows nothing",
    Kind.NOTE: "note",
}
ROUTE = "istio"


def config_text(imported: Imported) -> str:
    """Write the configuration. It passes `sidecar validate` unless a document was odd in a way that only that finds."""
    return "\n".join(_lines(imported)) + "\n"


def said(finding: Finding) -> str:
    """One finding on one line."""
    place = f"{finding.where}: " if finding.where.file else ""
    hint = f" ({finding.hint})" if finding.hint else ""
    return f"{place}{finding.subject}: {finding.message}{hint}"


def _comment(text: str) -> str:
    """A comment on one line, whatever a file is called."""
    return "# " + "".join(char if char.isprintable() else "?" for char in text)


def _lines(imported: Imported) -> Iterator[str]:
    yield "# Imported from Istio by `sidecar import istio` (docs/how-to/import-istio.md): one policy for each rule. Rules that deny come"
    yield "# first, then one that allows has to hold. Paths and hosts are compared as Istio has it: undecoded, and with the port."
    for kind in Kind:
        for finding in imported.findings:
            if finding.kind is kind:
                yield _comment(f"{WORDS[kind]}: {said(finding)}")
    yield "version: 1"
    yield from _server(imported)
    yield from _issuers(imported)
    yield from _policies(imported)
    yield from _route(imported)
    yield "# Istio tells the service nothing about the caller. With this line gone, the usual identity headers are set."
    yield "identity_headers: {}"
    if not imported.issuers:
        yield "# No RequestAuthentication was imported: nobody is ever authenticated here."
        yield "acknowledge: [no_authenticators]"


def _server(imported: Imported) -> Iterator[str]:
    wishes = imported.wishes
    if wishes.trusted_hops:
        yield "server:"
        yield f"  client_address: {flow({'trusted_hops': wishes.trusted_hops, 'from': list(wishes.trusted_from)})}"


def _issuers(imported: Imported) -> Iterator[str]:
    if not imported.issuers:
        return
    claims: dict[str, Any] = {}
    if imported.claims.scopes:
        claims["scopes"] = {"from": [["scope"]], "as": "labels"}
    if imported.claims.attributes:
        claims["attributes"] = {name: list(path) for name, path in imported.claims.attributes.items()}
    yield "issuers:"
    yield from block({name: {**issuer, **({"claims": claims} if claims else {})} for name, issuer in imported.issuers.items()}, 2)


def _policies(imported: Imported) -> Iterator[str]:
    if imported.policies:
        yield "policies:"
    for policy in imported.policies:
        yield f"  {_comment(policy.comment)}"
        mode = {"mode": "shadow"} if policy.shadow else {}
        effect = {"effect": "deny" if policy.denies else "allow"}
        yield from block({policy.name: {**effect, **mode, "conditions": policy.conditions}}, 2)


def _route(imported: Imported) -> Iterator[str]:
    yield "routes:"
    if not imported.restricted:
        yield "  # No ALLOW policy is in force: whoever is not denied is let in, as in Istio."
    yield f"  {ROUTE}:"
    yield '    paths: ["/{path=**}"]'
    yield f"    authenticate: [{', '.join(map(scalar, (*imported.issuers, 'anonymous')))}]"
    yield from _attached("    deny:", [one for one in imported.policies if one.denies])
    if imported.restricted:
        yield "    require:"
        yield from _attached("      any_policy:", [one for one in imported.policies if not one.denies])


def _attached(start: str, policies: list[Policy]) -> Iterator[str]:
    if policies:
        yield start
        margin = " " * (len(start) - len(start.lstrip()) + 2)
        for one in policies:
            yield f"{margin}- {scalar(one.name)}"
