"""Prints the table, and the commands to go on with."""

import shlex

from .parts import Parts
from .rows import IDENTITY, POSTS, jane, john
from .run import Outcome

WIDTHS = (4, 44, 8, 30)


def heading() -> str:
    """The head of the table."""
    cells = ("", "request", "answer", "reason", "deciding rule")
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, (*WIDTHS, 0), strict=True))


def line(outcome: Outcome) -> str:
    """One row: request, answer, reason, rule; below it what the upstream saw, and what is wrong."""
    row = outcome.row
    mark = "FAIL" if outcome.wrong else "ok"
    by = "" if outcome.by == "sidecar" else f" ({outcome.by} itself)"
    cells = (mark, row.title, f"{outcome.status}", f"{outcome.reason}{by}", outcome.rule)
    text = ["  ".join(cell.ljust(width) for cell, width in zip(cells, (*WIDTHS, 0), strict=True)).rstrip()]
    request = f"{row.method} {row.target}"
    text.append(
        f"      {request.ljust(WIDTHS[1])}  {'upstream saw: ' + _seen(outcome.saw) if outcome.saw is not None else 'not forwarded'}"
    )
    text += [f"      !! {wrong}" for wrong in outcome.wrong]
    return "\n".join(text)


def _seen(saw: dict[str, str]) -> str:
    identity = [f"{name}={saw[name]}" for name in IDENTITY if name in saw]
    return "  ".join(identity) if identity else "no identity header"


def commands(parts: Parts) -> str:
    """What to try by hand while everything is running."""
    url = f"http://127.0.0.1:{parts.envoy.port}"
    edit = f"sed -i 's/john@example.com: {{roles: \\[admin\\]}}/john@example.com: {{roles: [viewer]}}/' {shlex.quote(str(parts.config))}"
    rows = (
        (
            "a token of John, an admin (10 minutes)",
            f"curl -i -H 'Host: api.example.com' -H 'Authorization: Bearer {john(parts)}' {url}{POSTS}",
        ),
        ("Jane may not delete", f"curl -i -X DELETE -H 'Host: api.example.com' -H 'Authorization: Bearer {jane(parts)}' {url}{POSTS}/42"),
        ("an API key", f"curl -i -H 'Host: api.example.com' -H 'X-API-Key: {parts.api_keys['billing']}' {url}{POSTS}"),
        ("nothing at all", f"curl -i {url}{POSTS}"),
        ("as it would hit a default Envoy", f"curl -i --path-as-is http://127.0.0.1:{parts.envoy.plain_port}/public/../admin"),
        ("change a role, then ask again", edit),
        ("what the sidecar says of itself", f"curl -s http://127.0.0.1:{parts.sidecar.admin}/status"),
        ("its metrics", f"curl -s http://127.0.0.1:{parts.sidecar.telemetry}/metrics"),
        ("its decision records", f"tail -f {parts.sidecar.proc.stdout}"),
        ("Envoy's access log", f"tail -f {parts.envoy.log}"),
    )
    return "\n".join(f"# {what}\n{command}" for what, command in rows)
