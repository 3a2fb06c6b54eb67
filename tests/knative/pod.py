"""A pod as Knative runs it, without a kubelet: queue-proxy before a function, in a network namespace of its own.

queue-proxy listens on fixed ports of all interfaces, so each pod needs one; it also keeps them off the network.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import sysconfig
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from tests.apiserver.process import ServerProcess, wait_until_up
from tests.knative.programs import queue_proxy

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
SERVING_PORT, ADMIN_PORT, USER_PORT = 8012, 8022, 8080
STARTS_WITHIN = 30.0
_NEW_NAMESPACE = ("--map-root-user", "--net")
_WAY_IN = "a way into a network namespace"
_FRAMEWORK = Path(sysconfig.get_path("scripts")) / "functions-framework"


class Pod:
    """One instance of a Knative Service; a context manager, after which nothing of it is left.

    Args:
        folder: an empty one, for logs, sockets and the function's home.
        service: the Knative Service as it is applied; concurrency, timeout, probe and target are its own.
        environment: of the function, besides what the manifest gives it.
        api_port: of the API server on loopback outside; it has the same port inside.
        concurrency: replaces the manifest's.
    """

    def __init__(
        self,
        *,
        folder: Path,
        service: Mapping[str, Any],
        environment: Mapping[str, str],
        api_port: int,
        concurrency: int | None = None,
    ) -> None:
        self._folder = folder
        spec = service["spec"]["template"]["spec"]
        self._container = spec["containers"][0]
        self._concurrency = concurrency or int(spec["containerConcurrency"])
        self._timeout = int(spec["timeoutSeconds"])
        self._environment = dict(environment)
        relay = [sys.executable, "-m", "tests.knative.border"]
        api = folder / "api.sock"
        self._outside = self._process("outside", [*relay, f"{api_port}<{api}"])
        inside = [
            *relay,
            "--inside",
            f"{SERVING_PORT}<{folder / 'serving.sock'}",
            f"{ADMIN_PORT}<{folder / 'admin.sock'}",
        ]
        self._inside = self._process("inside", [_tool("unshare"), *_NEW_NAMESPACE, *inside, f"{api_port}>{api}"])
        self.proxy: ServerProcess
        self.function: ServerProcess

    def __enter__(self) -> Self:
        try:
            for border in (self._outside, self._inside):
                border.start()
                wait_until_up(partial(_is_up, border), border, what=_WAY_IN, within=STARTS_WITHIN)
            self.proxy = self._enter("queue-proxy", [str(queue_proxy())], self._proxy_environment())
            self.function = self._enter("function", [str(_FRAMEWORK), "--asgi"], self._function_environment())
        except BaseException:
            self._close_border()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.function, self.proxy):
            process.kill()
        self._close_border()
        assert "Traceback" not in self.function.log_file.read_text()

    def start(self) -> None:
        """Start both containers at the same time, as kubelet does."""
        self.function.start()
        self.proxy.start()

    def connect(self) -> aiohttp.ClientSession:
        """A client outside whose requests reach queue-proxy, whatever host they name."""
        return self._client("serving")

    def connect_to_admin(self) -> aiohttp.ClientSession:
        """The same for queue-proxy's admin port, where kubelet's preStop hook waits for the drain."""
        return self._client("admin")

    def connections_to_function(self) -> int:
        """TCP connections that the function has accepted, as the kernel lists them."""
        pid = self.function.pid
        assert pid is not None, self.function.log_tail()
        lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
        rows = [line.split() for line in lines]
        return sum(row[1].endswith(f":{USER_PORT:04X}") and row[3] == "01" for row in rows)

    def _client(self, name: str) -> aiohttp.ClientSession:
        connector = aiohttp.UnixConnector(str(self._folder / f"{name}.sock"), limit=0)
        return aiohttp.ClientSession("http://pod", connector=connector)

    def _close_border(self) -> None:
        self._inside.kill()
        self._outside.kill()

    def _enter(self, name: str, command: list[str], environment: Mapping[str, str]) -> ServerProcess:
        namespace = ["--preserve-credentials", "-U", "-n", "-t", str(self._inside.pid)]
        return self._process(name, [_tool("nsenter"), *namespace, *command], environment)

    def _process(self, name: str, command: list[str], environment: Mapping[str, str] | None = None) -> ServerProcess:
        return ServerProcess(
            command,
            log_file=self._folder / f"{name}.log",
            environment=environment,
            folder=ROOT,
            when_orphaned=signal.SIGTERM if name == "function" else signal.SIGKILL,
        )

    def _function_environment(self) -> dict[str, str]:
        given = {each["name"]: each["value"] for each in self._container["env"]}
        measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
        return (
            measured
            | {"PATH": os.defpath, "PORT": str(USER_PORT)}
            | given
            | {"HOME": str(self._folder)}
            | self._environment
        )

    def _proxy_environment(self) -> dict[str, str]:
        # What Serving's controller writes into the pod (pkg/reconciler/revision/resources/queue.go).
        probe = dict(self._container["readinessProbe"]) | {"successThreshold": 1}
        kind = "httpGet" if "httpGet" in probe else "tcpSocket"
        probe[kind] = dict(probe[kind]) | {"host": "127.0.0.1"} | ({"scheme": "HTTP"} if kind == "httpGet" else {})
        return {
            "CONTAINER_CONCURRENCY": str(self._concurrency),
            "QUEUE_SERVING_PORT": str(SERVING_PORT),
            "QUEUE_SERVING_TLS_PORT": "8112",
            "USER_PORT": str(USER_PORT),
            "REVISION_TIMEOUT_SECONDS": str(self._timeout),
            "SERVING_LOGGING_CONFIG": "",
            "SERVING_LOGGING_LEVEL": "info",
            "SERVING_NAMESPACE": "sluice-system",
            "SERVING_SERVICE": "sluice",
            "SERVING_CONFIGURATION": "sluice",
            "SERVING_REVISION": "sluice-00001",
            "SERVING_POD": "sluice-00001-pod",
            "SERVING_POD_IP": "127.0.0.1",
            "SERVING_READINESS_PROBE": json.dumps(probe),
        }


def _is_up(border: ServerProcess) -> bool:
    return "ready" in border.log_tail()


def _tool(name: str) -> str:
    return shutil.which(name) or name
