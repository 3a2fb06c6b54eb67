"""The function as a child process: started by the same command as in production, on loopback, and gone with us."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sysconfig
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.local.shell import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.local.cluster import Cluster
    from core.settings import Settings

STOP_WITHIN = 10.0  # seconds; longer than any request may take (SLUICE_REQUEST_DEADLINE)


class ChildProcess:
    """Runs a command whose output goes where ours goes.

    It gets a session of its own: a Ctrl-C in the terminal reaches us alone, and we stop it in order.
    """

    def __init__(self, *, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._command = command
        self._env = env
        self._process: Process | None = None

    @property
    def exit_code(self) -> int | None:
        """Of the ended process, 128 + n where signal n ended it (as shells say it); None while it runs."""
        code = self._process.returncode if self._process else None
        return 128 - code if code is not None and code < 0 else code

    async def start(self) -> None:
        """Start it.

        Raises:
            OSError: the command cannot be run.
        """
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env=self._env, stdin=DEVNULL, start_new_session=True
        )

    async def ended_within(self, seconds: float) -> bool:
        """Wait at most `seconds`, and tell whether it has ended."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), seconds)
        return self.exit_code is not None

    async def wait(self) -> None:
        """Wait until it ends."""
        if self._process is not None:
            await self._process.wait()

    async def stop(self, *, within: float = STOP_WITHIN) -> None:
        """SIGTERM, then SIGKILL for what is still there after `within` seconds."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.terminate()
            await self.ended_within(within)
        with suppress(ProcessLookupError, PermissionError):  # all gone; macOS says the latter for zombies
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


LOOPBACK = "127.0.0.1"
_SOURCE = Path(__file__).parents[3] / "functions" / "alertmanager.py"
_LAST_PORT = 65_535

# Google credentials would outrank the embedded API's kubeconfig. DEBUG, which people set for other tools,
# makes functions-framework choose another server than in production.
_ELSEWHERE = ("SLUICE_API_SERVER", "SLUICE_API_CA")
_FOR_OTHERS = ("DEBUG",)


def function_command(port: int) -> list[str]:
    """Return the command that serves the alertmanager function on `port`."""
    framework = Path(sysconfig.get_path("scripts")) / "functions-framework"
    options = {"--source": str(_SOURCE), "--target": "alertmanager", "--host": LOOPBACK, "--port": str(port)}
    return [str(framework), "--asgi", *(word for option in options.items() for word in option)]


def function_environment(cluster: Cluster, settings: Settings, *, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the function's environment: ours, with `cluster` as its only Kubernetes API.

    Senders are not asked for a token: none but this machine's own can reach the port.
    """
    dropped = _FOR_OTHERS + (_ELSEWHERE if cluster.embedded else ())
    kept = {name: value for name, value in environ.items() if name not in dropped}
    kubeconfig = {"KUBECONFIG": cluster.kubeconfig} if cluster.kubeconfig else {}
    return kept | kubeconfig | {"SLUICE_AUTH": "none", "SLUICE_NAMESPACE": settings.namespace}


def choose_port(port: int) -> int:
    """Return `port` if the function can have it; a free one for 0.

    Raises:
        CommandError: it is taken, or not for this user.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn: a closed connection is no hindrance
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError as error:
            raise CommandError(f"port {port} is for root only; choose another: make run PORT=8080") from error
        except OSError as error:
            raise CommandError(
                f"port {port} of {LOOPBACK} is taken ({error.strerror}); stop what listens there, or choose another: "
                f"make run PORT={port + 1 if port < _LAST_PORT else 8080}"
            ) from error
        number: int = probe.getsockname()[1]
        return number
