"""Go programs whose module lacks files that it embeds: built in a copy of the module, where those are made.

`go build -overlay` cannot help: it replaces nothing below Go's module cache.
"""

import hashlib
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.gobuild.program import Report, cache_folder, compile_packages, exclusive, to_stderr
from tests.gobuild.toolchain import BuildError, find_go, go_environment

_FLAGS = ("-v", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w")


@dataclass(frozen=True, kw_only=True)
class ModuleCopy:
    """Some main packages of a module.

    Args:
        name: of the module, for people.
        module: its path.
        version: as in `v0.35.0`.
        digest: of the module's zip, as go.sum has it.
        packages: the main packages, relative to the module.
        files: by path in the module, what to write there.
        duration: for people, on two cores with nothing compiled before.
    """

    name: str
    module: str
    version: str
    digest: str
    packages: Sequence[str]
    files: Mapping[str, str] = field(default_factory=dict)
    duration: str = "a minute"

    def build(self, *, report: Report = to_stderr) -> Path:
        """The folder of the binaries; compiled when the user's cache does not hold it yet. Raises BuildError."""
        binaries = cache_folder() / f"{self.name}-{self.version}-{self._digest()}"
        if binaries.exists():
            return binaries
        with exclusive(binaries.with_name(f"{binaries.name}.lock"), what=self.name, report=report):
            if not binaries.exists():
                report(f"building {self.name} {self.version}, once, about {self.duration} on 2 cores…")
                self._compile(binaries, report=report)
                report(f"built {binaries}")
        return binaries

    def _digest(self) -> str:
        built_from = (sys.platform, platform.machine(), _FLAGS, self.digest, self.packages, sorted(self.files.items()))
        return hashlib.sha256(repr(built_from).encode()).hexdigest()[:16]

    def _compile(self, binaries: Path, *, report: Report) -> None:
        with TemporaryDirectory(prefix=f"{self.name}-", dir=cache_folder()) as name:
            folder = Path(name)
            module, built = folder / "module", folder / "built"
            shutil.copytree(self._download(folder), module, copy_function=shutil.copyfile)
            for each in (module, *module.rglob("*/")):
                each.chmod(0o755)  # Go's cache is read-only
            for path, text in self.files.items():
                target = module / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
            built.mkdir()
            go = str(find_go(module, what=self.name))
            # One call for all: it loads and compiles what they share once.
            command = [go, "build", *_FLAGS, "-o", f"{built}/", *(f"./{package}" for package in self.packages)]
            compile_packages(command, folder=module, what=self.name, report=report)
            built.replace(binaries)  # others see all binaries or none

    def _download(self, folder: Path) -> Path:
        (folder / "go.mod").write_text("module sluice.test/download\n\ngo 1.26.0\n")
        go = str(find_go(folder, what=self.name))
        command = [go, "mod", "download", "-json", f"{self.module}@{self.version}"]
        done = subprocess.run(command, cwd=folder, env=go_environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError(f"{self.module} cannot be had: {done.stderr.strip() or done.stdout.strip()}")
        answer = json.loads(done.stdout)
        if answer["Sum"] != self.digest:
            raise BuildError(f"{self.module}@{self.version} has the digest {answer['Sum']}, not {self.digest}")
        return Path(answer["Dir"])
