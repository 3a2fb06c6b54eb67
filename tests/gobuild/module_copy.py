"""A Go program whose module lacks a file that it embeds: built in a copy of the module, where that file is made.

`go build -overlay` cannot help: it replaces nothing below Go's module cache.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.gobuild.program import Report, cache_folder, exclusive, to_stderr
from tests.gobuild.toolchain import BuildError, find_go, go_environment

_FLAGS = ("-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w")


@dataclass(frozen=True, kw_only=True)
class ModuleCopy:
    """One main package of a module.

    Args:
        name: of the binary.
        module: its path.
        version: as in `v0.35.0`.
        digest: of the module's zip, as go.sum has it.
        package: the main package, relative to the module.
        files: by path in the module, what to write there.
        duration: for people, on two cores with nothing compiled before.
    """

    name: str
    module: str
    version: str
    digest: str
    package: str
    files: Mapping[str, str] = field(default_factory=dict)
    duration: str = "a minute"

    def build(self, *, report: Report = to_stderr) -> Path:
        """The binary; compiled when the user's cache does not hold it yet. Raises BuildError."""
        binary = cache_folder() / f"{self.name}-{self.version}"
        if binary.exists():
            return binary
        with exclusive(binary.with_name(f"{binary.name}.lock"), what=self.name, report=report):
            if not binary.exists():
                report(f"building {self.name} {self.version}, once, about {self.duration} on 2 cores…")
                self._compile(binary)
                report(f"built {binary}")
        return binary

    def _compile(self, binary: Path) -> None:
        with TemporaryDirectory(prefix=f"{self.name}-", dir=cache_folder()) as name:
            folder = Path(name)
            module = folder / "module"
            shutil.copytree(self._download(folder), module, copy_function=shutil.copyfile)
            for each in (module, *module.rglob("*/")):
                each.chmod(0o755)  # Go's cache is read-only
            for path, text in self.files.items():
                target = module / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
            go = str(find_go(module, what=self.name))
            _run([go, "build", *_FLAGS, "-o", str(folder / self.name), f"./{self.package}"], folder=module)
            (folder / self.name).replace(binary)  # others see the whole binary or none

    def _download(self, folder: Path) -> Path:
        (folder / "go.mod").write_text("module sluice.test/download\n\ngo 1.26.0\n")
        go = str(find_go(folder, what=self.name))
        answer = json.loads(_run([go, "mod", "download", "-json", f"{self.module}@{self.version}"], folder=folder))
        if answer["Sum"] != self.digest:
            raise BuildError(f"{self.module}@{self.version} has the digest {answer['Sum']}, not {self.digest}")
        return Path(answer["Dir"])


def _run(command: list[str], *, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env=go_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command)} ended with {done.returncode}: {(done.stderr or done.stdout)[-4096:]}")
    return done.stdout
