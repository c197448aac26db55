"""When a certificate ends. Loads X.509 code only where certificates are configured."""

from sidecar.model.errors import SourceError


def not_after(pem: bytes) -> float:
    """Return the end of validity of the first certificate in ``pem``, in seconds since the epoch. Raises SourceError."""
    from cryptography import x509  # noqa: PLC0415 - a few MB that most configurations do not need

    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()
    except ValueError:
        raise SourceError("not a certificate in PEM") from None
