"""Which Alertmanager the tests run: the one installed, else Debian's, fetched once into the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PACKAGE = "prometheus-alertmanager"
NAMES = ("prometheus-alertmanager", "alertmanager")

_MINUTES = 5
# Debian's binary reads its templates from here; upstream's has them inside.
_TEMPLATES, _TEMPLATES_FROM_ROOT = b"/usr/share/prometheus/alertmanager", b"usr//share/prometheus/alertmanager"


class MissingAlertmanagerError(Exception):
    """There is none, and none could be fetched; the message says why and what helps."""


@dataclass(frozen=True, kw_only=True)
class AlertmanagerBinary:
    """What to run, and the working folder that it needs."""

    path: Path
    folder: Path


def find_alertmanager(*, environ: Mapping[str, str] = os.environ) -> AlertmanagerBinary:
    """Look in PATH, then in the cache, then fetch Debian's package: no root needed, nothing installed.

    Raises MissingAlertmanagerError.
    """
    for name in NAMES:
        if found := shutil.which(name, path=environ.get("PATH")):
            return AlertmanagerBinary(path=Path(found), folder=Path("/"))
    root = _cache_folder(environ) / PACKAGE
    if not root.exists():
        _fetch(root, environ)
    return AlertmanagerBinary(path=root / "usr" / "bin" / PACKAGE, folder=root)


def _cache_folder(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "sluice"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _fetch(root: Path, environ: Mapping[str, str]) -> None:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool, path=environ.get("PATH")) is None:
            raise MissingAlertmanagerError(
                f"There is no Alertmanager: neither {' nor '.join(NAMES)} is in PATH, and without {tool} Debian's "
                "package cannot be fetched; install Alertmanager."
            )
    with TemporaryDirectory(prefix=f"{PACKAGE}-", dir=root.parent) as name:
        folder = Path(name)
        _download(folder, environ)
        _run(["dpkg-deb", "-x", str(next(folder.glob("*.deb"))), str(folder / "root")], folder, environ)
        _make_relocatable(folder / "root" / "usr" / "bin" / PACKAGE)
        _put(folder / "root", root)


def _download(folder: Path, environ: Mapping[str, str]) -> None:
    """Run apt on lists of its own: the system's may be old or missing, and belong to root."""
    for needed in ("lists/partial", "archives/partial"):
        (folder / needed).mkdir(parents=True)
    settings = (f"Dir::State::Lists={folder / 'lists'}", f"Dir::Cache={folder}", "Debug::NoLocking=1")
    apt = ["apt-get", "-qq", *(word for setting in (*settings, "APT::Sandbox::User=") for word in ("-o", setting))]
    _run([*apt, "update"], folder, environ)
    _run([*apt, "download", PACKAGE], folder, environ)


def _make_relocatable(binary: Path) -> None:
    """Let it find its templates below its working folder: the same path, as long as before but relative."""
    binary.write_bytes(binary.read_bytes().replace(_TEMPLATES, _TEMPLATES_FROM_ROOT))


def _put(unpacked: Path, root: Path) -> None:
    try:
        unpacked.rename(root)
    except OSError:
        if not root.exists():  # else another process was faster
            raise


def _run(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
    try:
        subprocess.run(
            command,
            cwd=folder,
            env={**environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
            timeout=60 * _MINUTES,
        )
    except subprocess.CalledProcessError as error:
        raise _failed(command, error.stdout) from None
    except subprocess.TimeoutExpired:
        raise _failed(command, f"no end within {_MINUTES} minutes") from None


def _failed(command: Sequence[str], said: str) -> MissingAlertmanagerError:
    return MissingAlertmanagerError(
        f"There is no Alertmanager in PATH, and Debian's package cannot be fetched: {command[0]} {command[-1]} said: "
        f"{' '.join(said.split()) or 'nothing'}. Install Alertmanager."
    )


def main() -> int:
    """Print where it is; 1 and a sentence when it cannot be had."""
    try:
        found = find_alertmanager()
    except MissingAlertmanagerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{found.path}\n")
    return 0
