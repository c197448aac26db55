"""Policy test files: who asks for what, and what has to come of it (``sidecar test``)."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from sidecar.config.marks import NULL, Nothing
from sidecar.config.suggest import hint_for
from sidecar.model.reason import Reason

from .base import NonEmpty, OfItsType, Section, ShortForm, bad, parsed
from .fields import FilePath, HeaderName, Method, Name, Permission, Timestamp, Word
from .secrets import SecretRef

MAX_TEXT = 64 * 1024
VERDICTS = ("allow", "deny")
UNTESTED = "-"
UNAVAILABLE = "unavailable"
MISSING = "missing"
REASONS = {str(reason): reason for reason in Reason}

_TEXT = {"type": "string"}


def _plain(value: Any) -> Any:
    """A JSON value: null is one here. What the reader reported already stays as it is."""
    if value is NULL:
        return None
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _reason(text: str) -> Reason:
    if text not in REASONS:
        raise bad("is not a reason", hint_for(text, REASONS))
    return REASONS[text]


def _cell(text: str) -> str:
    if text not in (*VERDICTS, UNTESTED, *REASONS):
        raise bad("is neither allow, deny, - nor a reason", hint_for(text, [*VERDICTS, *REASONS]))
    return text


def _text(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise bad("is longer than 64 KiB")
    return text


def _texts(value: Any) -> Any:
    """One value is a list of one."""
    return value if isinstance(value, list | Nothing) else [value]


def _scalar(value: Any) -> Any:
    """What a header or parameter says: a number or a boolean as it is written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _outcome(value: Any) -> Any:
    if isinstance(value, bool) or value == "unknown":
        return value
    raise bad("is neither true, false nor unknown")


Json = Annotated[Any, BeforeValidator(_plain), WithJsonSchema({})]
Text = Annotated[str, parsed(_text)]
_VALUE = {"type": ["string", "number", "boolean"]}
Value = Annotated[str, BeforeValidator(_scalar), WithJsonSchema(_VALUE)]
Values = Annotated[list[Value], BeforeValidator(_texts), WithJsonSchema({"anyOf": [_VALUE, {"type": "array", "items": _VALUE}]})]
Outcome = Annotated[Any, BeforeValidator(_outcome), WithJsonSchema({"enum": [True, False, "unknown"]})]
ReasonCode = Annotated[Reason, parsed(_reason), WithJsonSchema({"enum": list(REASONS)})]
Cell = Annotated[str, parsed(_cell), WithJsonSchema({"enum": [*VERDICTS, UNTESTED, *REASONS]})]


class PrincipalSpec(Section):
    """Who asks. By what was granted (subject, roles, …), by the claims of a token, by a key of the key file, or with a real credential."""

    like: Word | None = Field(default=None, description="A principal by name, which this one is but for what is written beside it.")
    authenticator: Name | None = Field(
        default=None, description="A name under `issuers` or `api_keys`: who vouches. May be left out where the configuration has one only."
    )
    subject: Word | None = Field(default=None, description="Who it is; for an API key, its owner.")
    email: Word | None = Field(default=None, description="A verified e-mail address, as `users` goes by.")
    roles: list[Word] | None = Field(default=None, description="Roles that the credential carries; `users` may add more.")
    permissions: list[Permission] | None = Field(default=None, description="Permissions that the credential carries.")
    scopes: list[Word] | None = Field(default=None, description="Scopes that the credential carries.")
    audiences: list[Word] | None = Field(default=None, description="Audiences of the token; one of the issuer's by default.")
    attributes: dict[Word, Json] | None = Field(default=None, description="Attributes, by the names that the issuer maps claims to.")
    metadata: dict[Word, Json] | None = Field(default=None, description="Metadata of an API key.")
    claims: dict[Word, Json] | None = Field(
        default=None,
        description="The claims of a token instead: it is signed for the test, and read and mapped as any other. iss, aud, iat and exp are "
        "added where they are not written.",
    )
    key: Word | None = Field(default=None, description="The id of an entry in the store's key file: the key counts as what stands there.")
    token: SecretRef | None = Field(default=None, description="A real token, verified with the configured keys.")
    api_key: SecretRef | None = Field(default=None, description="A real API key, looked up in the configured stores.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        fault = self.fault()
        if fault is not None:
            raise bad(*fault)
        return self

    def fault(self) -> tuple[str, str] | None:
        """Say what does not go together in it, and the way out."""
        granted = [name for name in GRANTED if getattr(self, name) is not None]
        ways = [name for name in WAYS if getattr(self, name) is not None]
        if len(ways) > 1 or (ways and granted and ways != ["claims"]):
            return f"says who it is in several ways: {', '.join([*ways, *granted])}", "keep one"
        if ways == ["claims"] and granted not in ([], ["subject"]):
            return "has claims and grants", "write what is granted as claims, or leave the claims out"
        return None


GRANTED = ("subject", "email", "roles", "permissions", "scopes", "audiences", "attributes", "metadata")
WAYS = ("claims", "key", "token", "api_key")


class RequestSpec(Section):
    """A request, as Envoy would ask about it."""

    like: Text | None = Field(default=None, description='A request by name, or "METHOD TARGET", which this one is but for the rest.')
    method: Method | None = Field(default=None, description="GET by default.")
    host: Word | None = Field(default=None, description="Host; the file's `host` by default.")
    path: Text | None = Field(default=None, description="Path, byte for byte, with a query if there is one.")
    query: dict[Word, Values] | None = Field(default=None, description="Query parameters, which are encoded and added to the path.")
    headers: dict[HeaderName, Values] | None = Field(default=None, description="Headers; a list stands for repeated ones.")
    body: Json | None = Field(default=None, description="The body: text as it is, anything else as JSON.")
    source_ip: Word | None = Field(default=None, description="Address of the direct peer; 127.0.0.1 by default.")
    context: dict[Word, Value] | None = Field(default=None, description="Context extensions of Envoy's.")


class Expectation(Section):
    """What has to come of it. What is not written is not looked at."""

    decision: Literal["allow", "deny"] | None = Field(default=None, description="What is decided.")
    reason: ReasonCode | None = Field(default=None, description="The reason code.")
    status: int | None = Field(default=None, ge=200, le=599, description="HTTP status of a denial.")
    route: Name | None = Field(default=None, description="The route that the request belongs to.")
    rule: Word | None = Field(default=None, description="Key path of what decided.")
    set: dict[HeaderName, Value] | None = Field(default=None, description="Headers that the upstream sees, with their values.")
    removed: list[HeaderName] | None = Field(default=None, description="Headers that never reach the upstream.")
    kept: list[HeaderName] | None = Field(default=None, description="Headers of the request that are neither removed nor set.")
    policies: dict[Name, Outcome] | None = Field(
        default=None, description="What conditions of policies on the route are: true, false or unknown."
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not any(getattr(self, name) is not None for name in type(self).model_fields):
            raise bad("expects nothing", "write allow, deny, or what has to come of it")
        return self


class Answer(Section):
    """What an attribute source gives: a value, nothing, or no answer."""

    answer: Json = Field(default=None, description="Its value, any JSON.")
    outcome: Literal["unavailable", "missing"] | None = Field(
        default=None, description="missing: there is none (404). unavailable: the source does not answer."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if ("answer" in self.model_fields_set) is (self.outcome is not None):
            raise bad("is not what a source gives", f"write {{answer: VALUE}}, {MISSING} or {UNAVAILABLE}")
        return self


Answers = dict[Name, Annotated[Answer, ShortForm("outcome", {"enum": [UNAVAILABLE, MISSING]})]]
PrincipalRef = Annotated[PrincipalSpec, ShortForm("like", _TEXT)]
RequestRef = Annotated[RequestSpec, ShortForm("like", _TEXT)]
Expected = Annotated[Expectation, ShortForm("decision", {"enum": list(VERDICTS)})]
NOW = "When it is (RFC 3339); the time of the run by default."


class CaseSpec(Section):
    """One request of one principal."""

    principal: PrincipalRef | None = Field(default=None, description="A name under `principals`, or a principal; anonymous by default.")
    request: RequestRef = Field(description='A name under `requests`, "METHOD TARGET", or a request.')
    now: Timestamp | None = Field(default=None, description=NOW)
    attributes: Answers | None = Field(default=None, description="What attribute sources give, over what the file says.")
    expect: Expected = Field(description="allow, deny, or more than that.")


class MatrixSpec(Section):
    """Who may do what: a row for each request, a column for each principal."""

    principals: NonEmpty[Word] = Field(description="The columns: names under `principals`, or anonymous.")
    rows: dict[Text, list[Cell]] = Field(
        min_length=1,
        description='By request (a name, or "METHOD TARGET"): for each column allow, deny, a reason, or - for what does not matter.',
    )
    now: Timestamp | None = Field(default=None, description=NOW)
    attributes: Answers | None = Field(default=None, description="What attribute sources give, over what the file says.")


class PolicyTests(Section):
    """Policy tests of the ext_authz sidecar, or fixtures that several such files share."""

    version: Annotated[Literal[1], OfItsType()] = Field(description="Version of this format.")
    fixtures: NonEmpty[FilePath] | None = Field(
        default=None, description="Files of this format whose principals, requests and attributes can be used here."
    )
    now: Timestamp | None = Field(default=None, description=NOW)
    host: Word | None = Field(default=None, description="Host of requests that name none; localhost by default.")
    principals: dict[Word, PrincipalSpec] = Field(default={}, description="Who asks, by name.")
    requests: dict[Word, RequestRef] = Field(default={}, description="What is asked, by name.")
    attributes: Answers = Field(default={}, description="What attribute sources give, by the source's name.")
    cases: dict[Text, CaseSpec] = Field(default={}, description="Single cases, by what they show.")
    matrices: dict[Text, MatrixSpec] = Field(default={}, description="Tables of who may do what.")


__all__ = ["GRANTED", "MISSING", "REASONS", "UNAVAILABLE", "UNTESTED", "VERDICTS", "PolicyTests"]
