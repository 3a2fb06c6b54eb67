"""Builds kube-apiserver from its Go modules, once for each user and state of the sources."""

import fcntl
import hashlib
import os
import platform
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.apiserver.golang import SOURCES, BuildError, find_go, go_environment

__all__ = ["BuildError", "Report", "build_kube_apiserver", "to_stderr"]

Report = Callable[[str], None]

_SOURCE_FILES = ("go.mod", "go.sum", "main.go")
_PACKAGES_PER_LINE = 250  # of about 2,100: a line every 25 s


def to_stderr(line: str) -> None:
    """Show one line of progress to the person who waits."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def build_kube_apiserver(*, report: Report = to_stderr) -> Path:
    """The server's binary, with etcd inside; compiled when the user's cache does not hold it yet.

    Safe to call in several processes at once: one compiles, the others wait.
    Raises BuildError when there is no Go or it fails.
    """
    binary = _cache_folder() / f"kube-apiserver-{kubernetes_version()}-{_digest()}"
    if binary.exists():
        return binary
    with _exclusive(binary.with_name(f"{binary.name}.lock"), report=report):
        if not binary.exists():
            _compile(binary, report=report)
    return binary


def kubernetes_version() -> str:
    """The release that go.mod names, as in `v1.36.3`."""
    found = re.search(r"^\s+k8s\.io/kubernetes (v\S+)$", (SOURCES / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise BuildError(f"{SOURCES / 'go.mod'} requires no k8s.io/kubernetes; restore that line.")
    return found[1]


def _cache_folder() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "sluice"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _digest() -> str:
    digest = hashlib.sha256(f"{sys.platform} {platform.machine()} {_build_flags()}".encode())
    for name in _SOURCE_FILES:
        digest.update((SOURCES / name).read_bytes())
    return digest.hexdigest()[:16]


def _build_flags() -> list[str]:
    # Without a version, clients cannot parse what /version answers.
    version = f"-X k8s.io/component-base/version.gitVersion={kubernetes_version()}"
    return ["-v", "-trimpath", "-buildvcs=false", "-mod=readonly", f"-ldflags=-s -w {version}"]


def _compile(binary: Path, *, report: Report) -> None:
    partial = binary.with_name(f"{binary.name}.partial")
    partial.unlink(missing_ok=True)  # of a build that was interrupted: Go refuses to write over it
    command = [str(find_go()), "build", *_build_flags(), "-o", str(partial), "."]
    report(f"building kube-apiserver {kubernetes_version()}, once, about 4 minutes on 2 cores…")
    with subprocess.Popen(command, cwd=SOURCES, env=go_environment(), stderr=subprocess.PIPE, text=True) as go:
        last_lines = _follow(go.stderr or (), report=report)
    if go.returncode:
        raise BuildError(f"kube-apiserver cannot be built: go build ended with {go.returncode}:\n{last_lines}")
    partial.replace(binary)  # others see the whole binary or none
    report(f"built {binary}")


def _follow(lines: Iterable[str], *, report: Report) -> str:
    """Report the number of packages compiled as it grows; return the last lines, where errors stand."""
    last_lines: deque[str] = deque(maxlen=20)
    compiled = 0
    for line in lines:
        last_lines.append(line)
        compiled += not line.startswith("go: ")
        if not line.startswith("go: ") and compiled % _PACKAGES_PER_LINE == 0:
            report(f"building kube-apiserver: {compiled} packages compiled…")
    return "".join(last_lines)


@contextmanager
def _exclusive(path: Path, *, report: Report) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another process builds kube-apiserver; waiting for it…")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
