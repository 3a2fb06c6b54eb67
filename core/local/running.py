"""What `sluice run` leaves for `sluice demo` to find: which cluster stands behind a URL.

A file for each port in the user's own folder. Whoever runs holds a lock on it, which ends with the process
however it ends: a file that can be locked was left by one that is gone.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.text import Text

from core.local.shell import new_console

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import TextIOWrapper

_LISTENING = ("127.0.0.1", "localhost")


class Running(BaseModel):
    """One running function, and the Kubernetes API it writes to.

    `kubeconfig` is the value of KUBECONFIG it was started with, `context` its current one; `embedded` tells
    whether that API is the embedded one.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    url: str
    kubeconfig: str
    context: str
    server: str
    embedded: bool
    namespace: str
    group: str
    version: str


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the user's folder for such files (XDG Base Directory Specification)."""
    base = environ.get("XDG_RUNTIME_DIR") or environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "sluice"


@contextmanager
def announced(running: Running, *, folder: Path) -> Iterator[None]:
    """Let `find_running` find `running` until the block ends.

    Raises:
        OSError: the folder cannot be written, or the file is held by another process.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _path(folder, running.url)
    path.touch(mode=0o600)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)
        file.write(running.model_dump_json())
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def find_running(url: str, *, folder: Path) -> Running | None:
    """Return what runs at `url` on this machine; None where nothing was announced, or no longer runs.

    `sluice run` listens on 127.0.0.1 alone: behind [::1] and 127.0.0.2 the same port may be somebody else's,
    such as a `kubectl port-forward` to another cluster. For `localhost`, which may be either, call the `url`
    of the answer.
    """
    if urlsplit(url).hostname not in _LISTENING:
        return None
    return _read(_path(folder, url))


def find_all_running(*, folder: Path) -> list[Running]:
    """Return all that runs on this machine for this user."""
    found = (_read(path) for path in sorted(folder.glob("run-*.json")))
    return [running for running in found if running is not None]


def prefer_what_runs() -> None:
    """Without KUBECONFIG, look at what `sluice run` serves, where one does, and say so."""
    if os.environ.get("KUBECONFIG"):
        return
    running = find_all_running(folder=state_folder())
    if len(running) == 1 and running[0].kubeconfig:
        os.environ["KUBECONFIG"] = running[0].kubeconfig
        os.environ.setdefault("SLUICE_NAMESPACE", running[0].namespace)
        note = f"(what `sluice run` at {running[0].url} writes to; set KUBECONFIG or --context for another cluster)"
        new_console(stderr=True).print(Text(note, style="dim"), soft_wrap=True)


def _read(path: Path) -> Running | None:
    try:
        with path.open() as file:
            return Running.model_validate_json(file.read()) if _is_held(file) else None
    except (OSError, ValidationError):
        return None


def _is_held(file: TextIOWrapper) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _path(folder: Path, url: str) -> Path:
    parts = urlsplit(url)
    return folder / f"run-{parts.port or {'http': 80, 'https': 443}[parts.scheme]}.json"
