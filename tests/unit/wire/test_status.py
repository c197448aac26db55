"""HTTP status → gRPC code."""

import pytest

from sidecar.model.reason import ALLOWING, Reason
from sidecar.wire.status import grpc_status


@pytest.mark.parametrize(("http", "code"), [(400, 3), (401, 16), (403, 7), (405, 12), (429, 8), (503, 14)])
def test_the_table(http: int, code: int):
    assert grpc_status(http) == code


@pytest.mark.parametrize("http", [0, 200, 302, 418, 500])
def test_a_denial_is_never_ok(http: int):
    """Fail closed: code 0 beside a denial would be read as success."""
    assert grpc_status(http) != 0


def test_every_denying_reason_has_a_code_of_its_own_status():
    for reason in set(Reason) - ALLOWING:
        assert grpc_status(reason.status) in {3, 7, 8, 12, 14, 16}
