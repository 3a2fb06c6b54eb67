"""The function as production starts it: a command, an environment, a port."""

from __future__ import annotations

import os
import re
import signal
import sysconfig
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.apiserver.process import ServerProcess, wait_until_up
from tests.support.http import Answer, send, send_json
from tests.support.sockets import children
from tests.support.waiting import HANGS_AFTER, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.cloud_events import Sent

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "functions" / "alertmanager.py"
SCRIPTS = Path(sysconfig.get_path("scripts"))

LISTENS_WITHIN = 30.0  # seconds; 0.4 on an idle core
READY_WITHIN = 10.0
STOPS_WITHIN = HANGS_AFTER
UNWANTED = re.compile("Traceback|stack_trace|Unclosed|ResourceWarning|was destroyed|never awaited")
_LISTENING = re.compile(r"Listening at: (http://127\.0\.0\.1:\d+)")


def production(target: str) -> tuple[str, ...]:
    """The command that starts one of the three functions."""
    source = SOURCE.with_name(f"{target}.py")
    return (str(SCRIPTS / "functions-framework"), "--asgi", "--source", str(source), "--target", target)


PRODUCTION = production("alertmanager")

PATIENT = {"SLUICE_API_TIMEOUT": "60", "SLUICE_REQUEST_DEADLINE": "600"}
"""Time enough for a machine that is busy with other things. A test about time sets its own."""


class FunctionProcess:
    """One start of the function, outside the checkout and with nothing of our environment.

    A context manager: inside it the function listens; after it no process of it is left, and none may have
    complained. It is killed there, which is quick: a test about the end calls `stop`.

    Args:
        folder: an empty one for its working folder, home and log.
        environment: variables it gets besides those that every process has.
        command: what to run; host and port are in the environment.
    """

    def __init__(self, *, folder: Path, environment: Mapping[str, str], command: Sequence[str] = PRODUCTION) -> None:
        self.url = ""
        self._process = ServerProcess(
            command,
            log_file=folder / "function.log",
            environment=process_environment(folder) | dict(environment),
            folder=folder,
            when_orphaned=signal.SIGTERM,  # gunicorn then stops its workers, which no signal of the kernel's reaches
        )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        assert not UNWANTED.search(self.log), self.log

    def start(self) -> None:
        """Start it and wait until it listens. Raises ServerError, with its log, where it ends instead."""
        self._process.start()
        found = wait_until_up(self._listening, self._process, what="the function", within=LISTENS_WITHIN)
        self.url = found[1]

    def run_to_its_end(self) -> int:
        """Start it and return its exit code, for a start that must not work."""
        self._process.start()
        return self.exit_code()

    def terminate(self) -> None:
        """SIGTERM to the master alone, as a platform does it."""
        os.kill(self.pid, signal.SIGTERM)

    def stop(self) -> int:
        """Terminate it and return its exit code."""
        self.terminate()
        return self.exit_code()

    def kill(self) -> None:
        """SIGKILL to master and workers."""
        self._process.kill()

    def exit_code(self) -> int:
        """Wait for the end and return the exit code."""
        ended = self._process.ended_within(STOPS_WITHIN)
        assert ended, f"it still runs after {STOPS_WITHIN:g} s; its log ends:\n{self._process.log_tail()}"
        assert self._process.exit_code is not None
        return self._process.exit_code

    @property
    def ended(self) -> bool:
        """Whether the process that was started is gone."""
        return self._process.ended_within(0)

    @property
    def pid(self) -> int:
        """Of gunicorn's master."""
        assert self._process.pid is not None, f"it ended by itself; its log ends:\n{self._process.log_tail()}"
        return self._process.pid

    def workers(self, count: int = 1) -> list[int]:
        """Pids of the processes that serve, as soon as there are `count`."""

        def all_workers() -> list[int] | None:
            found = children(self.pid)
            return found if len(found) == count else None

        return wait_for(all_workers, what=f"{count} workers", within=LISTENS_WITHIN)

    @property
    def log(self) -> str:
        """Standard output and error so far."""
        return self._process.log_file.read_text()

    def get(self, path: str) -> Answer:
        return send("GET", self.url + path)

    def post(self, *alerts: Mapping[str, Any], token: str = "", **fields: Any) -> Answer:
        """Send a webhook with these alerts."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return send_json("POST", self.url, webhook(*alerts, **fields), headers=headers)

    def deliver(self, event: Sent) -> Answer:
        """Send a CloudEvent."""
        return send("POST", self.url, event.body, headers=event.headers)

    def wait_until_ready(self) -> None:
        """Wait for what the API server does later than it says, such as heeding a new RBAC rule."""
        wait_for(lambda: self.get("/readyz").status == 200, what="/readyz to answer 200", within=READY_WITHIN)

    def _listening(self) -> re.Match[str] | None:
        found = _LISTENING.search(self.log)
        return found if found and self._answers(found[1]) else None

    def _answers(self, url: str) -> bool:
        try:
            # Whoever says so is a worker, and not the socket's backlog.
            return send("GET", f"{url}/healthz").status == 200
        except (OSError, HTTPException):  # a worker is not up yet
            return False


def process_environment(folder: Path) -> dict[str, str]:
    """What a process finds anywhere; gunicorn is to say what it does, Python what was left open."""
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return measured | {
        "PATH": os.defpath,
        "HOME": str(folder),
        "HOST": "127.0.0.1",
        "PORT": "0",  # the kernel chooses one, and gunicorn's log tells which
        "GUNICORN_LOG_LEVEL": "info",
        "PYTHONWARNINGS": "default::ResourceWarning",
    }


def webhook(*alerts: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """An Alertmanager webhook, version 4."""
    return {"version": "4", "status": "firing", "receiver": "sluice", "alerts": list(alerts), **fields}


def alert(pod: str, *, namespace: str = "prod", status: str = "firing", **labels: str) -> dict[str, Any]:
    """An alert on a pod."""
    return {
        "status": status,
        "labels": {"alertname": "HighMemoryUsage", "severity": "critical", "namespace": namespace, "pod": pod} | labels,
        "annotations": {"summary": f"{pod} is short of memory"},
        "startsAt": "2026-01-02T03:04:05Z",
    }
