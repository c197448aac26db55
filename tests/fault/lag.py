"""Run as a script: asks /livez again and again and writes how long each answer took.

The page is answered on the sidecar's event loop, so an answer that takes long says that the loop was late. A process of its own,
with nothing imported: the test's own threads must not be what is measured. How much longer it slept than it wanted to goes beside it:
that is how late the machine lets anybody be at the time.
"""

import socket
import sys
import time

INTERVAL = 0.02


def main(port: int, path: str) -> None:
    """Write ``start answer overslept``, in seconds, a line until killed; ``inf`` for a page that does not come."""
    connection: socket.socket | None = None
    with open(path, "w", buffering=1) as out:  # noqa: PTH123 - without imports
        while True:
            began = time.monotonic()
            try:
                if connection is None:
                    connection = socket.create_connection(("127.0.0.1", port), 5)
                    began = time.monotonic()
                connection.sendall(b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
                answered = connection.recv(65536) != b""
            except OSError:
                answered = False
            took = time.monotonic() - began
            slept = time.monotonic()
            time.sleep(INTERVAL)
            overslept = time.monotonic() - slept - INTERVAL
            out.write(f"{began:.6f} {took if answered else float('inf'):.6f} {overslept:.6f}\n")
            if not answered and connection is not None:
                connection.close()
                connection = None


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
