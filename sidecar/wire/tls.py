"""Server TLS of the check listener (grpcio only). Certificates are reread when their files change."""

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, cast

import grpc

from sidecar.model.settings import TlsSettings

from .front import StartError

_log = logging.getLogger(__name__)
Stamp: TypeAlias = tuple[tuple[int, int, int], ...]


def server_credentials(tls: TlsSettings) -> grpc.ServerCredentials:
    """Build credentials that follow the files; with ``client_ca_file`` every client must show a certificate.

    Raises StartError naming the file that cannot be used.
    """
    files = TlsFiles(tls)
    try:
        first = files.read()
    except OSError as error:
        raise StartError(f"server.tls: {error}") from error
    # grpc documents None as "no change"; its stubs leave it out
    fetch = cast("Callable[[], grpc.ServerCertificateConfiguration]", files.changed)
    return grpc.dynamic_ssl_server_credentials(first, fetch, require_client_authentication=tls.client_ca_file is not None)


class TlsFiles:
    """The certificate, key and client CA on disk, and when they were last read."""

    def __init__(self, tls: TlsSettings) -> None:
        """Take the paths; nothing is read yet."""
        self._tls = tls
        self._paths = [Path(path) for path in (tls.cert_file, tls.key_file, tls.client_ca_file) if path is not None]
        self._stamp: Stamp = ()

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Read all files; raise OSError, with the file in its text, when one is missing or no use."""
        stamp = self._stat()
        self._try()
        certificate, key, *roots = [path.read_bytes() for path in self._paths]
        self._stamp = stamp
        return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=roots[0] if roots else None)

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what is new since the last read, or None; grpc asks at each handshake, on a thread of its own.

        Files that cannot be used (a mount being swapped, a key that is not the certificate's) leave the last good ones.
        """
        try:
            return self.read() if self._stat() != self._stamp else None
        except OSError as error:
            _log.warning("server.tls: %s; the certificates read before stay in use", error)
            return None

    def _try(self) -> None:
        """Load them as a server would: grpc itself says nothing of what is wrong with which file."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls = self._tls
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_password)
        except ssl.SSLError as error:
            raise OSError(f"{tls.cert_file} and {tls.key_file} are no certificate with its key ({error.reason})") from error
        if tls.client_ca_file is not None:
            try:
                context.load_verify_locations(tls.client_ca_file)
            except ssl.SSLError as error:
                raise OSError(f"{tls.client_ca_file} holds no certificates ({error.reason})") from error

    def _stat(self) -> Stamp:
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in (path.stat() for path in self._paths))


def _no_password() -> str:
    """Refuse encrypted keys: OpenSSL would ask on the terminal."""
    return ""
