# ruff: noqa: E501 - rows of odd values read best as rows
"""Requests that aim at a configuration: mostly near its routes and credentials, often a little off."""

import random
from dataclasses import replace
from typing import Any

from tests.reference.request import Request

from .pool import API_KEYS, Pool

ODD = (
    "%2F", "%2f", ";", "%3B", "..", ".", "%2e", "%2E%2E", "//", "/", "%25", "%252e", "%00", "%0a", "%20", " ", "\t", "%c0%ae", "%u2215", "%5c", "\\", "#", "%23", "%3F", "?x=/../", "%7f", "%C2%85",
    "%E2%81%84", "%EF%BC%8F", "%EF%BC%8E", "%E2%80%8B", "%C2%AD", "%E2%84%AA", "%C4%B1", "%C5%BF", "%C3%9F", "%E2%80%A8", "%EF%BC%A1", "%C2%A0", "%E3%80%80", "%61", "%41", "%C3%A9", "é", "%", "%4", "%zz", "...", ".%20.", "%7B", "*", "a", ":", "@", "%40", "%2Fa", ";a",
    "%2F..", "%2F%2F", "%E2%80%A6", "%CD%BE", "%EF%BB%BF", "%F0%9D%90%9A", "%C3%89", "+", "~", "%2B", "%E1%9A%80", "%CC%81",
)  # fmt: skip
HOSTS = (
    "api.example.com", "API.Example.com", "api.example.com:443", "api.example.com:", "api.example.com.", "api.example.com.:8080", "x.api.example.com", "y.x.example.com", "example.com", "127.0.0.1", "127.0.0.1:80",
    "[::1]", "[::1]:80", "[::1", "::1", "other.org", "a_b.example.com", "", ".", "api..example.com", "-a.example.com", "a-.example.com", "api.example.com:80:80", "api.example.com:x", "user@api.example.com", "api.example.com/", "1.2.3", "0x7f.1",
    "api.example.com..", "*.example.com", "éxample.com", " api.example.com", "a" * 64 + ".example.com", "127.0.0.1.", "[::ffff:1.2.3.4]", "[fe80::1%25eth0]", "999.1.1.1", "api.example.com,other.org", "\u212aey.example.com",
)  # fmt: skip
NAMES = (
    "x-user-id", "x_user_id", "x.user.id", "x-user-id-", "x-user--id", "x-user-email", "x_user-roles", "x-auth-user", "x-authentic", "x-original-url", "x-noise", "x-scopes", "x_scopes", "content-type", "x-user", "x-dept",
    "accept", "user-agent", "x_api_key", "x-forwarded-uri", "x-http-method-override", "x-key", "x+user+id", "x-user-id ", "x%user%id", "content-length",
)  # fmt: skip
VALUES = ("admin", "", "a,b", "user-1", "application/grpc", "é", "/admin", "POST", "x" * 50)
METHODS = ("GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "DELETE", "CONNECT", "get", "", "PATCH", "TRACE")
ADDRESSES = ("10.0.0.9", "10.0.0.10", "192.168.3.4", "::1", "2001:db8::7", "::ffff:10.0.0.9", "8.8.8.8", "")


def make_request(rng: random.Random, config: Any, pool: Pool) -> Request:
    """Make one request, in raw form."""
    route = rng.choice(list(config["routes"].values()))
    headers = credentials(rng, config, route, pool)
    method = rng.choice(route.get("methods", METHODS)) if rng.random() < 0.8 else rng.choice(METHODS)
    while rng.random() < 0.35:
        headers.append((rng.choice(NAMES), rng.choice(VALUES)))
    if rng.random() < 0.06 or (method == "OPTIONS" and rng.random() < 0.6):
        headers += [("origin", "https://app.example.com"), ("access-control-request-method", rng.choice(METHODS))][
            rng.choice((0, 0, 0, 1)) :
        ]
        method = "OPTIONS" if rng.random() < 0.8 else method
    if rng.random() < 0.15:
        headers.append(
            (
                "x-forwarded-for",
                rng.choice(
                    (
                        "8.8.8.8",
                        "10.0.0.9",
                        "8.8.8.8, 10.0.0.9",
                        "10.0.0.9,192.168.3.4,::1",
                        "",
                        "x",
                        "10.0.0.9:80",
                        "10.0.0.9,,",
                        " 10.0.0.9 ",
                    )
                ),
            )
        )
    if rng.random() < 0.03:
        headers.append(rng.choice(headers or [("x-noise", "1")]))
    rng.shuffle(headers)
    context = {"tier": rng.choice(("gold", "free", "Gold"))} if rng.random() < 0.2 else {}
    return Request(
        method,
        make_host(rng, route),
        make_path(rng, route),
        tuple(headers),
        context,
        rng.choice(ADDRESSES) if rng.random() < 0.3 else "10.0.0.9",
    )


def make_host(rng: random.Random, route: Any) -> str:
    if rng.random() < 0.08:
        return rng.choice(HOSTS)
    host: str = rng.choice(route.get("hosts", ["api.example.com", "plain.test", "plain.test", "plain.test"]))
    return host.replace("*", rng.choice(("x", "x.y", "api")))


def make_path(rng: random.Random, route: Any) -> str:
    parts = []
    for part in rng.choice(route["paths"])[1:].split("/"):
        if part.endswith("=**}"):
            parts += [rng.choice(("a", "b", "posts", "1")) for _ in range(rng.randint(0, 2))]
        elif part.startswith("{"):
            parts.append(rng.choice(("a", "b", "posts", "admin", "1", "x%40y", "A")))
        else:
            parts.append(part)
    path = "/" + "/".join(parts)
    while rng.random() < 0.17:
        at = rng.randint(0, len(path))
        path = rng.choice(
            (
                path[:at] + rng.choice(ODD) + path[at:],
                path + rng.choice(ODD),
                path + "/",
                path.upper(),
                path + "/" + rng.choice(ODD),
                escape(path, at),
                path[:at],
                path + "a",
            )
        )
    return path


def escape(path: str, at: int) -> str:
    """Escape one character."""
    if at >= len(path) or not path[at].isascii():
        return path
    return path[:at] + f"%{ord(path[at]):02X}" + path[at + 1 :]


def credentials(rng: random.Random, config: Any, route: Any, pool: Pool) -> list[tuple[str, str]]:
    """Show none, one or two credentials, as someone who reads the configuration would, or nearly so."""
    out: list[tuple[str, str]] = []
    for _ in range(rng.choice((0, 1, 1, 1, 1, 1, 2))):
        names = [name for name in route["authenticate"] if name != "anonymous"] if rng.random() < 0.9 else []
        name = rng.choice(names or [*config["issuers"], *config.get("api_keys", {})])
        is_issuer = name in config["issuers"]
        words = config["issuers"][name] if is_issuer else config["api_keys"][name]
        place = rng.choice(
            words.get("credentials") or [{"header": "authorization", "scheme": "Bearer"} if is_issuer else {"header": "x-api-key"}]
        )
        text = rng.choice(pool.by_issuer[words["issuer"]] if is_issuer and rng.random() < 0.95 else pool.tokens)
        if is_issuer == (rng.random() < 0.03):
            text = rng.choice(API_KEYS)
        out.append(line(rng, place, text))
    return out


def line(rng: random.Random, place: Any, text: str) -> tuple[str, str]:
    """Write a credential where a place reads it."""
    if rng.random() < 0.05:
        text = rng.choice(("", " ", text + ",", text + " ", " " + text, text + "," + text, "x", "a.b.c", "\xff", "sk_" + text))
    if "cookie" in place:
        name = place["cookie"]
        forms = (f"{name}={text}",) * 5 + (
            f"a=1; {name}={text}; b=2",
            f"{name}={text};{name}=x",
            f"a=1,{name}={text}",
            f"{name} ={text}",
            name,
            f"x{name}={text}",
            f'{name}="{text}"',
            f"a=1,2; {name}={text}",
        )
        return "cookie", rng.choice(forms)
    if "query" in place:
        name = place["query"]
        odd = (
            f"{name}={text}&{name}=x",
            f"{name}={text}&%61{name[1:]}=x",
            f"x=1;{name}={text}",
            name,
            f"{name}={text};a=b",
            f"+{name}={text}",
        )
        return "?", rng.choice(odd) if rng.random() < 0.15 else f"{name}={text}"
    scheme = place.get("scheme")
    if scheme is None:
        return place["header"], text
    odd = (
        f"{scheme}",
        f"{scheme} ",
        f"{scheme}  {text}",
        f"{scheme}\t{text}",
        f"{scheme}{text}",
        f"{scheme}={text}",
        f"Basic {text}",
        text,
        f" {scheme} {text}",
        f"{scheme},{text}",
        f"Bearer {text}",
        f"Token {text}",
    )
    written = rng.choice((scheme, scheme.lower(), scheme.upper())) if rng.random() < 0.1 else scheme
    return place["header"], rng.choice(odd) if rng.random() < 0.1 else f"{written} {text}"


def settle(request: Request) -> Request:
    """Move credentials that belong into the query there."""
    queries = [value for name, value in request.headers if name == "?"]
    if not queries:
        return request
    joined = "&".join(queries)
    path = request.path + ("&" if "?" in request.path else "?") + joined
    return replace(request, path=path, headers=tuple(header for header in request.headers if header[0] != "?"))


def vary(rng: random.Random, request: Request, config: Any, pool: Pool) -> Request:
    """Change one thing of a request that was made before."""
    other = settle(make_request(rng, config, pool))
    change = rng.randrange(6)
    if change == 0:
        return replace(request, headers=(*request.headers, (rng.choice(NAMES), rng.choice(VALUES))))
    if change == 1:
        return replace(request, headers=other.headers)
    if change == 2:
        return replace(request, path=other.path)
    if change == 3:
        return replace(request, method=other.method, host=other.host)
    if change == 4:
        return replace(request, source_ip=rng.choice(ADDRESSES), context=other.context)
    return request
