"""API key files: bytes to entries."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.keyfile import parse_key_file
from sidecar.model.key_entry import Digest, KeyEntry

TEXT = f"""
version: 1
keys:
- id: billing-1
  digest: "hmac-sha256:2026-1:{"ab" * 32}"
  owner: billing
  roles: [viewer]
  permissions: ["posts:read"]
  scopes: [read]
  routes: [list-posts]
  cidrs: [10.0.0.0/8, "2001:db8::/32", 192.0.2.7]
  not_before: 2026-01-01T00:00:00Z
  expires_at: 2027-01-01T00:00:00Z
  revoked: true
  metadata: {{plan: gold, seats: 5, trial: false, tags: [a, b]}}
- {{id: plain, digest: "sha256:{"cd" * 32}", roles: [], permissions: [], scopes: [], routes: [], cidrs: []}}
"""


def test_entries() -> None:
    entries, problems = parse_key_file("keys.yaml", TEXT.encode(), {"2026-1"})
    assert problems == ()
    assert entries == (
        KeyEntry(
            id="billing-1",
            digest=Digest("2026-1", b"\xab" * 32),
            owner="billing",
            roles=("viewer",),
            permissions=("posts:read",),
            scopes=("read",),
            routes=("list-posts",),
            cidrs=("10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"),
            not_before=1767225600.0,
            expires_at=1798761600.0,
            revoked=True,
            metadata={"plan": "gold", "seats": 5, "trial": False, "tags": ["a", "b"]},
        ),
        KeyEntry(id="plain", digest=Digest(None, b"\xcd" * 32)),
    )


def test_no_keys() -> None:
    assert parse_key_file("keys.yaml", b"keys: []", ()) == ((), ())


def test_one_digest_under_two_algorithms_is_two_keys() -> None:
    text = f'keys: [{{id: a, digest: "sha256:{"0" * 64}"}}, {{id: b, digest: "hmac-sha256:1:{"0" * 64}"}}]'
    assert len(parse_key_file("keys.yaml", text.encode(), {"1"})[0]) == 2


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    entries, problems = parse_key_file("keys.yaml", b"keys:\n" + data, ())
    assert not (entries and problems)
