"""Programs that tests need and that Debian packages: fetched once into the user's cache, nothing installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MINUTES = 5


class MissingPackageError(Exception):
    """It could not be fetched; the message says why."""


def fetched_package(name: str, *, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that a package is unpacked in; it is fetched where the cache does not hold it.

    Raises MissingPackageError.
    """
    base = environ.get("XDG_CACHE_HOME")
    cache = (Path(base) if base else Path.home() / ".cache") / "sluice"
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / name
    if not root.exists():
        _fetch(name, root, environ)
    return root


def _fetch(name: str, root: Path, environ: Mapping[str, str]) -> None:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool, path=environ.get("PATH")) is None:
            raise MissingPackageError(f"without {tool} Debian's package {name} cannot be fetched")
    with TemporaryDirectory(prefix=f"{name}-", dir=root.parent) as temporary:
        folder = Path(temporary)
        # apt works on lists of its own: the system's may be old or missing, and belong to root.
        for needed in ("lists/partial", "archives/partial"):
            (folder / needed).mkdir(parents=True)
        settings = (f"Dir::State::Lists={folder / 'lists'}", f"Dir::Cache={folder}", "Debug::NoLocking=1")
        options = [word for setting in (*settings, "APT::Sandbox::User=") for word in ("-o", setting)]
        _run(["apt-get", "-qq", *options, "update"], folder, environ)
        _run(["apt-get", "-qq", *options, "download", name], folder, environ)
        _run(["dpkg-deb", "-x", str(next(folder.glob("*.deb"))), str(folder / "root")], folder, environ)
        try:
            (folder / "root").rename(root)
        except OSError:
            if not root.exists():  # else another process was faster
                raise


def _run(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env={**environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60 * _MINUTES,
        )
    except subprocess.TimeoutExpired:
        raise MissingPackageError(f"{command[0]} {command[-1]} did not end within {_MINUTES} minutes") from None
    if ended.returncode:
        raise MissingPackageError(f"{command[0]} {command[-1]} said: {' '.join(ended.stdout.split()) or 'nothing'}")
