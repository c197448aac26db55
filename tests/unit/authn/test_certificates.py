"""When a certificate ends."""

from datetime import UTC, datetime, timedelta

import pytest
import trustme

from sidecar.authn.certificates import not_after
from sidecar.model.errors import SourceError


def test_the_end_of_the_first_certificate() -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    authority = trustme.CA()
    chain = authority.issue_cert("sidecar.example.com", not_after=end)
    pem = b"".join(blob.bytes() for blob in chain.cert_chain_pems) + authority.cert_pem.bytes()
    assert not_after(pem) == end.timestamp()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate(content: bytes) -> None:
    with pytest.raises(SourceError, match="not a certificate"):
        not_after(content)
