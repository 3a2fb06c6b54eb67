from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from functions_framework.aio import create_asgi_app

from core.common.clock import RealClock
from core.kube import access
from core.local.embedded import EmbeddedApi
from core.logs import LOGGER_NAME
from tests.support.scripted import Scripted
from tests.support.wire import Wire
from tests.unit.functions.asgi import Answered, call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cloud_events import Sent

SOURCES = Path(__file__).parents[3] / "functions"
NAMESPACE = "sluice-system"


class Function:
    """The real app, made by functions-framework, over whatever stands in for the API server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, target: str = "alertmanager") -> None:
        self._monkeypatch = monkeypatch
        self._target = target
        self._app: Any = None
        self.transports: list[dict[str, Any]] = []

    def set(self, **settings: Any) -> None:
        """Set variables of the environment, before the first call."""
        assert self._app is None
        for name, value in settings.items():
            self._monkeypatch.setenv(f"SLUICE_{name.upper()}", str(value))

    def talks_to(self, api: Scripted | Wire) -> None:
        """Let the worker's transport be this one."""

        def make(**given: Any) -> Scripted | Wire:
            self.transports.append(given)
            return api

        self._monkeypatch.setattr(access, "HttpTransport", make)

    def load(self) -> Any:
        """Load the source file as functions-framework does, once."""
        if self._app is None:
            self._app = create_asgi_app(target=self._target, source=str(SOURCES / f"{self._target}.py"))
        return self._app

    async def get(self, path: str, **headers: str) -> Answered:
        return await call(self.load(), "GET", path, headers=headers)

    async def post(self, body: bytes | list[bytes], path: str = "/", *, then: str = "", **headers: str) -> Answered:
        """Send a body as JSON, unless `Content_Type` or another header says otherwise."""
        given = {"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        return await call(self.load(), "POST", path, body=body, headers=given, then=then)

    async def send(self, event: Sent, path: str = "/") -> Answered:
        """Send a CloudEvent."""
        return await call(self.load(), "POST", path, body=event.body, headers=event.headers)

    async def call(self, method: str, path: str = "/", **headers: str) -> Answered:
        return await call(self.load(), method, path, headers=headers)


@pytest.fixture
def target() -> str:
    """Which function is tested: a module says so by a fixture of its own."""
    return "alertmanager"


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any, target: str) -> Iterator[Function]:
    """The function with AUTH=none and a kubeconfig; what loading it does to this process is undone."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{current-context: t, contexts: [{name: t, context: {cluster: t}}],"
        ' clusters: [{name: t, cluster: {server: "http://127.0.0.1:1"}}]}'
    )
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setenv("SLUICE_NAMESPACE", NAMESPACE)
    monkeypatch.setenv("SLUICE_AUTH", "none")
    monkeypatch.setenv("HOST", "127.0.0.1")
    monkeypatch.setenv("SLUICE_OWNERS", "as-named")
    monkeypatch.setenv("SLUICE_REQUEST_DEADLINE", "600")  # a slow machine fails no test
    monkeypatch.setenv("SLUICE_API_TIMEOUT", "60")
    monkeypatch.setenv("FUNCTION_TARGET", "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, target, raising=False)
    logger = logging.getLogger(LOGGER_NAME)
    before = logger.handlers, logger.level, logger.propagate
    on_sigterm = signal.getsignal(signal.SIGTERM)
    yield Function(monkeypatch, target)
    signal.signal(signal.SIGTERM, on_sigterm)
    logger.handlers, logger.level, logger.propagate = before
    sys.modules.pop(target, None)


@pytest.fixture
def scripted(function: Function) -> Iterator[Scripted]:
    """An API server whose calls and answers are written down beforehand."""
    api = Scripted()
    function.talks_to(api)
    yield api
    api.finish()


@pytest.fixture
def wire(function: Function) -> Wire:
    """An API server in this process, with the CRD and the gateway's namespace."""
    wire = Wire(EmbeddedApi(clock=RealClock(), namespaces=[NAMESPACE]).app)
    function.talks_to(wire)
    return wire
