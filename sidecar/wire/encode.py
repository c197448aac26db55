"""Decisions to CheckResponse bytes. Only ``allow`` builds an answer that allows, only from an ``Allow``.

The generated classes encode. What a principal gets on a route is encoded once and kept with the verdict; only the
decision id is put into it at each check, at the place of another of the same length (docs/adr/0010). An *empty*
CheckResponse, or code 0 beside a denied_response, would allow: an allow always has an ok_response, a denial always a
code.
"""

from collections.abc import Iterable, Mapping

from sidecar.engine.denials import is_grpc
from sidecar.model.decision import Allow, Answer, Deny
from sidecar.model.reason import Reason
from sidecar.model.request import CheckInput

from ._gen.ext_authz_pb2 import CheckResponse, HeaderValueOption
from .status import grpc_status

APPEND, OVERWRITE = HeaderValueOption.APPEND_IF_EXISTS_OR_ADD, HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_SOME_ID = "\x00" * 16
"""Stands for a decision id; no header value and no name has a NUL."""
_FAULTS = frozenset({Reason.INTERNAL_ERROR, Reason.NOT_READY})
"""What no caller can bring about at will: with ``unsafe_error`` Envoy may let these through."""
_APPENDED = frozenset({"set-cookie", "www-authenticate"})


def _set(option: HeaderValueOption, name: str, value: str, *, append: bool = False) -> None:
    """Always with an explicit append_action: what an unset one means differs between Envoys."""
    header = option.header
    header.key, header.value = name, value
    option.append_action = APPEND if append else OVERWRITE


class Encoder:
    """Encodes the decisions made under one snapshot."""

    __slots__ = ("_extra", "_revision", "_unsafe_error", "_with_id", "_with_reason", "_with_route")

    def __init__(self, metadata: tuple[str, ...], revision: str, *, unsafe_error: bool) -> None:
        """``metadata``: which facts become dynamic metadata; ``unsafe_error``: our faults leave as errors."""
        self._with_id = "decision_id" in metadata
        self._with_route = "route" in metadata
        self._with_reason = "reason" in metadata
        self._extra = tuple(name for name in metadata if name in {"rule", "revision", "subject", "shadow"})
        self._revision = revision
        self._unsafe_error = unsafe_error

    def allow(self, allow: Allow, decision_id: str) -> bytes:
        """Encode an allow. Its ``ok_response`` is never absent, its ``status`` is (code 0)."""
        template = allow.encoded
        if template is None:
            template = allow.encoded = self._template(allow)
        head, tail = template
        return head if tail is None else head + decision_id.encode() + tail

    def _template(self, allow: Allow) -> tuple[bytes, bytes | None]:
        """Encode all but the decision id, if there is one: ids are of one length, so that what frames them stays the same.

        What this leaves in ``allow.encoded`` is the only thing that an allow is ever sent from.
        """
        if not isinstance(allow, Allow):
            raise TypeError("only an Allow allows")
        response = CheckResponse()
        upstream, set_headers, removed, query_removed = allow.mutations
        ok = response.ok_response
        ok.SetInParent()  # never absent, whatever it says
        for name, value in (*upstream.set_headers, *set_headers):
            _set(ok.headers.add(), name, value)
        ok.headers_to_remove.extend((*upstream.removed, *removed))
        ok.query_parameters_to_remove.extend(query_removed)
        self._add_facts(response, allow, _SOME_ID)
        whole = response.SerializeToString()
        if not self._with_id:
            return whole, None
        head, _, tail = whole.rpartition(_SOME_ID.encode())
        return head, tail

    def _add_facts(self, response: CheckResponse, decision: Allow | Deny, decision_id: str) -> None:
        for name, value in self._facts(decision, decision_id):
            response.dynamic_metadata.fields[name].string_value = value

    def _facts(self, decision: Allow | Deny, decision_id: str) -> Iterable[tuple[str, str]]:
        if self._with_id:
            yield "decision_id", decision_id
        if self._with_route and decision.route:
            yield "route", decision.route
        if self._with_reason and decision.reason is not Reason.PERMITTED:
            yield "reason", decision.reason
        known: Mapping[str, str] = {
            "rule": decision.rule,
            "revision": self._revision,
            "shadow": " ".join(f"{one.policy}={one.would}" for one in decision.shadow),
            "subject": decision.principal.identity.subject if decision.principal is not None else "",
        }
        yield from ((name, known[name]) for name in self._extra if known[name])

    def deny(self, deny: Deny, answer: Answer, request: CheckInput | None, decision_id: str) -> bytes:
        """Encode a denial: a code that is not 0, and the answer that the client gets."""
        response = CheckResponse()
        response.status.code = grpc_status(deny.status)
        fault = self._unsafe_error and deny.reason in _FAULTS
        denied = response.error_response if fault else response.denied_response
        denied.status.code = answer.status  # type: ignore[assignment]  # an int is a StatusCode on the wire
        headers = list(answer.headers)
        if request is not None and is_grpc(request.headers):
            headers.append(("grpc-status", str(grpc_status(deny.status))))
        for name, value in headers:
            _set(denied.headers.add(), name, value, append=name in _APPENDED)
        denied.body = answer.body
        self._add_facts(response, deny, decision_id)
        return response.SerializeToString()


def last_resort() -> bytes:
    """The denial that is sent when even denying failed; made once, at start."""
    response = CheckResponse()
    response.status.code = grpc_status(Reason.INTERNAL_ERROR.status)
    response.denied_response.status.code = Reason.INTERNAL_ERROR.status  # type: ignore[assignment]  # as above
    return response.SerializeToString()
