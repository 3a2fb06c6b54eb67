"""A Go program in the user's cache, compiled when it is not there yet."""

import fcntl
import hashlib
import os
import platform
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.gobuild.toolchain import BuildError, find_go, go_environment

Report = Callable[[str], None]

_PACKAGES_PER_LINE = 250  # of kube-apiserver's 2,100: a line every 25 s


def to_stderr(line: str) -> None:
    """Show one line of progress to the person who waits."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@dataclass(frozen=True, kw_only=True)
class GoProgram:
    """One main package of a module.

    Args:
        name: of the binary.
        sources: folder of go.mod.
        module: the requirement in go.mod whose version the program has.
        package: the main package, relative to `sources`.
        duration: for people, on two cores with nothing compiled before.
        version_variable: Go variable that gets the version, for programs that tell it to others.
        otherwise: what a person without Go can do instead, starting with a comma.
    """

    name: str
    sources: Path
    module: str
    package: str = "."
    duration: str = "a minute"
    version_variable: str = ""
    otherwise: str = ""

    @property
    def version(self) -> str:
        """The release that go.mod names, as in `v1.36.3`. Raises BuildError where it names none."""
        found = re.search(
            rf"^\s+{re.escape(self.module)} (v\S+)(?: // indirect)?$", self._go_mod.read_text(), re.MULTILINE
        )
        if found is None:
            raise BuildError(f"{self._go_mod} requires no {self.module}; restore that line.")
        return found[1]

    def build(self, *, report: Report = to_stderr) -> Path:
        """The binary; compiled when the user's cache does not hold it yet.

        Safe to call in several processes at once: one compiles, the others wait.
        Raises BuildError when there is no Go or it fails.
        """
        binary = cache_folder() / f"{self.name}-{self.version}-{self._digest()}"
        if binary.exists():
            return binary
        with exclusive(binary.with_name(f"{binary.name}.lock"), what=self.name, report=report):
            if not binary.exists():
                self._compile(binary, report=report)
        return binary

    @property
    def _go_mod(self) -> Path:
        return self.sources / "go.mod"

    def _digest(self) -> str:
        digest = hashlib.sha256(f"{sys.platform} {platform.machine()} {self._flags()}".encode())
        for path in (self._go_mod, self.sources / "go.sum", *sorted((self.sources / self.package).glob("*.go"))):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]

    def _flags(self) -> list[str]:
        version = f" -X {self.version_variable}={self.version}" if self.version_variable else ""
        return ["-v", "-trimpath", "-buildvcs=false", "-mod=readonly", f"-ldflags=-s -w{version}"]

    def _compile(self, binary: Path, *, report: Report) -> None:
        partial = binary.with_name(f"{binary.name}.partial")
        partial.unlink(missing_ok=True)  # of a build that was interrupted: Go refuses to write over it
        go = find_go(self.sources, what=self.name, otherwise=self.otherwise)
        command = [str(go), "build", *self._flags(), "-o", str(partial), self.package]
        report(f"building {self.name} {self.version}, once, about {self.duration} on 2 cores…")
        compile_packages(command, folder=self.sources, what=self.name, report=report)
        partial.replace(binary)  # others see the whole binary or none
        report(f"built {binary}")


def compile_packages(command: Sequence[str], *, folder: Path, what: str, report: Report) -> None:
    """Run `go build -v …` in `folder` and say how far it is. Raises BuildError, with its last lines."""
    with subprocess.Popen(command, cwd=folder, env=go_environment(), stderr=subprocess.PIPE, text=True) as building:
        last_lines = _follow(building.stderr or (), what=what, report=report)
    if building.returncode:
        raise BuildError(f"{what} cannot be built: go build ended with {building.returncode}:\n{last_lines}")


def _follow(lines: Iterable[str], *, what: str, report: Report) -> str:
    """Report the number of packages compiled as it grows; return the last lines, where errors stand."""
    last_lines: deque[str] = deque(maxlen=20)
    compiled = 0
    for line in lines:
        last_lines.append(line)
        if line.startswith("go: "):
            continue
        compiled += 1
        if compiled % _PACKAGES_PER_LINE == 0:
            report(f"building {what}: {compiled} packages compiled…")
    return "".join(last_lines)


@contextmanager
def exclusive(path: Path, *, what: str, report: Report) -> Iterator[None]:
    """Hold the lock file `path`: one process makes `what`, the others wait."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"another process builds {what}; waiting for it…")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cache_folder() -> Path:
    """Where what tests need is kept between runs, for this user."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "sluice"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
