"""Make or renew the virtual environment from the hashed lock file; do nothing when it already matches.

Runs on any Python >= 3.11 with the standard library alone (it is what ``make setup`` starts on a fresh machine).
A lock on the folder lets two ``make`` runs start at once; the stamp holds a digest, not a date, because a clone
gives every file a new date.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "dev.txt"
MINIMUM = (3, 11)


def fingerprint() -> str:
    """Digest of all that decides what is installed: the interpreter, the lock, the project's own metadata."""
    digest = hashlib.sha256(sys.version.encode())
    for path in (LOCK, ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def create(folder: Path) -> None:
    """Make a new environment with pip in it."""
    sys.stdout.write(f"setup: creating {folder.name} with Python {sys.version.split()[0]}\n")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        venv.create(folder, with_pip=True)
    except subprocess.CalledProcessError:
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit("setup: this Python cannot make environments (on Debian and Ubuntu: apt-get install python3-venv)")


def install(folder: Path) -> None:
    """Install the lock with hashes checked, then the project itself without looking for anything else."""
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    sys.stdout.write("setup: installing requirements/dev.txt (exact versions, hashes checked)\n")
    sys.stdout.flush()
    subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)], check=True)


def main() -> int:
    """Bring the environment named on the command line in line with the lock."""
    if sys.version_info < MINIMUM:
        sys.exit(f"setup: Python {'.'.join(map(str, MINIMUM))} or newer is needed; name one with make PYTHON=…")
    folder = ROOT / (sys.argv[1] if len(sys.argv) > 1 else ".venv")
    stamp = folder / ".installed"
    with (ROOT / "requirements" / ".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        wanted = fingerprint()
        if stamp.exists() and stamp.read_text() == wanted:
            return 0
        if not (folder / "bin" / "python").exists():
            create(folder)
        stamp.unlink(missing_ok=True)
        try:
            install(folder)
        except subprocess.CalledProcessError as error:
            sys.exit(f"setup: {error.cmd[2:5]} failed with exit code {error.returncode}; its own message stands above")
        stamp.write_text(wanted)
    sys.stdout.write("setup: ready\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
