"""What a figure depends on besides the code: the machine, the versions, and how long a bare signature check takes."""

import os
import platform
import subprocess
import sys
import sysconfig
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

PACKAGES = ("cryptography", "grpcio", "msgspec", "protobuf", "pygrpc-native", "PyJWT", "uvloop")
VERIFY_RANGE = (20.0, 35.0)
"""µs: absolute targets hold on machines on which a bare RS256 verification takes this long."""


def bare_verify_us(public_key: rsa.RSAPublicKey, signature: bytes, signed: bytes) -> float:
    """CPU time in µs of ``cryptography``'s RS256 verification: the median of 20 batches of 50."""
    return median(_verify_batch(public_key, signature, signed) for _ in range(20))


def _verify_batch(public_key: rsa.RSAPublicKey, signature: bytes, signed: bytes, count: int = 50) -> float:
    scheme, digest = padding.PKCS1v15(), SHA256()
    begin = time.thread_time_ns()
    for _ in range(count):
        public_key.verify(signature, signed, scheme, digest)
    return (time.thread_time_ns() - begin) / count / 1000


def measure_verify() -> float:
    """``bare_verify_us`` with a fresh 2,048-bit key over 600 bytes."""
    key, signed = rsa.generate_private_key(public_exponent=65537, key_size=2048), bytes(600)
    return bare_verify_us(key.public_key(), key.sign(signed, padding.PKCS1v15(), SHA256()), signed)


def gather() -> dict[str, object]:
    """Facts by name, ready for JSON."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": sys.version.split()[0],
        "python_build": _python_build(),
        "packages": {name: version(name) for name in PACKAGES},
        "bare_rs256_verify_us": round(measure_verify(), 2),
    }


def _python_build() -> str:
    """How the interpreter was optimised when it was built: most of a decision's time is its own."""
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    kinds = {"--enable-optimizations": "profile-guided", "--with-lto": "link-time optimised"}
    return ", ".join(kind for argument, kind in kinds.items() if argument in arguments) or "plain"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return done.stdout.strip() or "unknown"
