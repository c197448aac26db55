"""What callers get to read: bodies, challenges, gRPC statuses, preflights; and what Envoy's log knows of each decision."""

import grpc
import pytest

from .stack import Stack

POSTS = "/api/v1/posts"


def bearer(stack: Stack, *roles: str) -> tuple[str, str]:
    return "authorization", f"Bearer {stack.shared.corp.token('sam', roles=list(roles))}"


@pytest.mark.parametrize(
    ("target", "method", "status", "reason", "exact"),
    [
        (POSTS, "GET", 401, "missing_credential", "missing_credential"),
        ("/nowhere", "GET", 403, "forbidden", "no_route"),
        (f"{POSTS}/7", "PATCH", 405, "method_not_allowed", "method_not_allowed"),
        ("/public/%2561", "GET", 400, "ambiguous_path", "ambiguous_path"),
    ],
)
def test_a_denial_is_a_problem_document(stack, send, target, method, status, reason, exact):
    """RFC 9457, and security rule 17: nothing of it may be stored."""
    reply = send(target, method=method)
    assert reply.status == status
    assert reply.get("content-type") == "application/problem+json"
    assert reply.get("cache-control") == "no-store"
    body = reply.json
    assert (body["status"], body["reason"]) == (status, reason)
    assert {"type", "title", "decision_id"} <= set(body)
    assert stack.reason(reply) == exact
    assert stack.logged(reply)["decision_id"] == body["decision_id"]


def test_a_wrong_method_names_the_right_ones(stack, send):
    reply = send(f"{POSTS}/7", method="PATCH")
    assert {"GET", "DELETE"} <= set(reply.get("allow").replace(" ", "").split(","))


@pytest.mark.parametrize("accept", ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"])
def test_a_browser_gets_a_page(stack, send, accept):
    reply = send("/admin", [("accept", accept)])
    assert reply.status == 401
    assert reply.get("content-type").startswith("text/html")
    assert reply.get("cache-control") == "no-store"
    assert b"<html" in reply.body.lower()


@pytest.mark.parametrize("target", ["/<script>alert(1)</script>", "/nowhere?x=<script>alert(1)</script>"])
def test_nothing_of_the_request_is_in_the_page(stack, send, target):
    reply = send(target, [("accept", "text/html"), ("referer", "<script>"), ("authorization", "Bearer <script>")])
    assert b"<script>alert" not in reply.body


def test_head_follows_get(stack, send):
    assert send(POSTS, [bearer(stack, "viewer")], method="HEAD").status == 200
    denied = send(POSTS, method="HEAD")
    assert (denied.status, denied.body) == (401, b"")
    assert stack.logged(denied)["route"] == "list-posts"


def preflight(method: str) -> list[tuple[str, str]]:
    return [("origin", "https://app.example.com"), ("access-control-request-method", method)]


def test_a_preflight_passes_where_the_route_says_so(stack, send):
    """Security rule 20."""
    reply = send(POSTS, [*preflight("GET"), ("X-User-ID", "root")], method="OPTIONS")
    assert (reply.status, stack.reason(reply)) == (200, "preflight")
    assert "x-user-id" not in reply.seen.names


@pytest.mark.parametrize(("target", "headers"), [(POSTS, preflight("POST")), (f"{POSTS}/7", preflight("GET")), (POSTS, [])])
def test_no_other_options_request_does(stack, send, target, headers):
    reply = send(target, headers, method="OPTIONS")
    assert (reply.status, stack.reason(reply)) == (405, "method_not_allowed")


def call(stack: Stack, method: str, metadata: list[tuple[str, str]]) -> grpc.RpcError:
    """A real gRPC call; the echo upstream speaks HTTP/1.1, so that even an allowed one ends in an error of its own."""
    with grpc.insecure_channel(f"127.0.0.1:{stack.envoy.port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        rpc = channel.unary_unary(method, request_serializer=None, response_deserializer=None)
        with pytest.raises(grpc.RpcError) as caught:
            rpc(b"", metadata=metadata, timeout=10)
    return caught.value


@pytest.mark.parametrize(
    ("method", "roles", "code"),
    [
        ("/demo.Posts/Get", None, grpc.StatusCode.UNAUTHENTICATED),
        ("/demo.Posts/Get", (), grpc.StatusCode.PERMISSION_DENIED),
        ("/no.Such/Method", ("admin",), grpc.StatusCode.PERMISSION_DENIED),
        (f"{POSTS}/7", ("admin",), grpc.StatusCode.UNIMPLEMENTED),
        ("/public/%2561", ("admin",), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_a_grpc_caller_gets_a_grpc_status(stack, method, roles, code):
    """Envoy's own mapping would make UNKNOWN of 405 and INTERNAL of 400."""
    error = call(stack, method, [] if roles is None else [bearer(stack, *roles)])
    assert error.code() == code
    assert "\n" not in error.details()
    assert "{" not in error.details()


def test_an_allowed_grpc_call_reaches_the_upstream(stack):
    before = stack.shared.upstream.served["/demo.Posts/Get"]
    call(stack, "/demo.Posts/Get", [bearer(stack, "viewer")])
    assert stack.shared.upstream.served["/demo.Posts/Get"] == before + 1


def test_cookies_in_pieces_are_one_cookie_header(stack):
    """HTTP/2 callers, browsers among them, send each cookie apart (RFC 9113 §8.2.3): no second Cookie line in the sense of rule 16."""
    before = stack.shared.upstream.served["/demo.Posts/Get"]
    token = stack.shared.corp.token("sam", roles=["viewer"])
    call(stack, "/demo.Posts/Get", [("cookie", "theme=dark"), ("cookie", f"access={token}"), ("cookie", "lang=en")])
    assert stack.shared.upstream.served["/demo.Posts/Get"] == before + 1
    error = call(stack, "/demo.Posts/Get", [("cookie", f"access={token}"), ("cookie", "access=x")])
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_envoys_log_knows_the_decision(stack, send):
    """Dynamic metadata: `reason` is left out when it is plain `permitted`, which keeps the answer small."""
    line = stack.logged(send(POSTS, [bearer(stack, "viewer")]))
    assert (line["route"], line["rule"], line["reason"]) == ("list-posts", "routes.list-posts.require.permission", None)
    assert line["details"] == "via_upstream"
    line = stack.logged(send(POSTS, [bearer(stack, "root")]))
    assert (line["route"], line["rule"], line["reason"]) == (
        "list-posts",
        "routes.list-posts.require.permission",
        "insufficient_permission",
    )
    assert line["details"] == "ext_authz_denied"


def test_each_decision_has_a_record(stack, send):
    reply = send(f"{POSTS}?token=hush", [bearer(stack, "viewer")])
    record = stack.sidecar.record_of(stack.logged(reply)["decision_id"])
    assert record["request_id"] == reply.request_id
    assert (record["decision"], record["reason"], record["route"], record["method"]) == ("allow", "permitted", "list-posts", "GET")
    assert record["path"] == POSTS
    assert record["principal"]["subject"] == "sam"


def test_no_secret_in_any_output(stack, send):
    """Security rule 22."""
    token, key = stack.shared.corp.token("canary", roles=["viewer"]), stack.shared.api_keys["good"]
    for headers in (
        [("authorization", f"Bearer {token}")],
        [("x-api-key", key)],
        [("cookie", f"access={token}")],
        [("authorization", f"Bearer {token}x")],
    ):
        stack.logged(send(f"{POSTS}?access_tok={token}", headers))
    output = (
        stack.sidecar.proc.stdout.read_text()
        + stack.sidecar.proc.stderr.read_text()
        + stack.sidecar.metrics()
        + str(stack.sidecar.status())
    )
    signature = token.rpartition(".")[2]
    assert signature not in output
    assert key not in output


def test_the_transport_is_the_one_under_test(stack, transport):
    assert transport.partition("-")[0] in str(stack.sidecar.status())
