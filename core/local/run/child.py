"""One child process and all that it starts: none of them outlives `stop`."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress

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
