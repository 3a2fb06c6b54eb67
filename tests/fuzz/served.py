"""A function as functions-framework serves it, over an API server in this process, in virtual time."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import looptime
import pytest
from functions_framework.aio import create_asgi_app

from core.gateway import build_gateway
from core.kube import access
from core.kube.client import path_of
from core.kube.transport import ApiRequest
from core.local.embedded import EmbeddedApi, load_crd
from core.logs import LOGGER_NAME
from core.triggers.dead_letter import DEAD_LETTERS
from functions import _worker
from tests.support.instances import NAMESPACE, RRS
from tests.support.loop_clock import LoopClock
from tests.support.wire import deliver
from tests.unit.functions.asgi import Answered, call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from core.kube.resources import Resource
    from core.kube.transport import ApiResponse

SOURCES = Path(_worker.__file__).parent
DEADLINE = 8.0
_DEAD_LETTER = SOURCES.parent / "knative" / "cluster" / "dead-letter-crd.yaml"
_HANGS = 120.0


@dataclass(frozen=True)
class Outcome:
    """What was answered, after how many seconds of virtual time, and what the API server holds then."""

    answer: Answered
    seconds: float
    stored: list[Any]


class Transport:
    """Hands each call to `respond`, which may raise, and may be exchanged."""

    def __init__(self, respond: Callable[[ApiRequest], Awaitable[ApiResponse]]) -> None:
        self.respond = respond

    async def send(self, request: ApiRequest, *, timeout: float) -> ApiResponse:
        """Answer one call."""
        return await self.respond(request)

    async def close(self) -> None:
        """Nothing is held open."""


class Served:
    """The app; each request meets a new event loop, hence a new gateway, and a new API server."""

    def __init__(self, app: Any, *, stores: Resource = RRS) -> None:
        self._app = app
        self._stores = stores
        self._transport: Any = None

    def ask(
        self,
        body: bytes,
        headers: Mapping[str, str],
        *,
        method: str = "POST",
        path: str = "/",
        over: Callable[[Any, ApiRequest], Awaitable[ApiResponse]] | None = None,
        before: bytes = b"",
    ) -> Outcome:
        """Send one request.

        Args:
            body: as it is sent.
            headers: of the request.
            method: of the request.
            path: of the request.
            over: answers the API calls in place of the embedded API, which it is given.
            before: a body that is sent first, to the embedded API itself.
        """

        async def run() -> Outcome:
            api = EmbeddedApi(clock=LoopClock(), namespaces=[NAMESPACE], crds=_definitions()).app
            self._transport = transport = Transport(partial(deliver, api))
            if before:
                assert (await call(self._app, "POST", body=before)).status == 201
            if over:
                transport.respond = partial(over, api)
            start = asyncio.get_running_loop().time()
            answer = await call(self._app, method, path, body=body, headers=headers)
            return Outcome(answer, asyncio.get_running_loop().time() - start, await _all(api, self._stores))

        # Here, not once for all: several functions may be loaded at the same time.
        with (
            pytest.MonkeyPatch.context() as patch,
            asyncio.Runner(loop_factory=partial(looptime.new_event_loop, end=_HANGS)) as runner,
        ):
            patch.setattr(access, "HttpTransport", lambda **_given: self._transport)
            return runner.run(run())


@contextmanager
def serve(target: str, folder: Path, *, stores: Resource = RRS, **settings: str) -> Iterator[Served]:
    """Load a function with `settings`; what loading it does to this process is undone. `stores`: what it keeps."""
    logger = logging.getLogger(LOGGER_NAME)
    before = logger.handlers, logger.level, logger.propagate
    on_sigterm = signal.getsignal(signal.SIGTERM)
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(
        "{current-context: t, contexts: [{name: t, context: {cluster: t}}],"
        ' clusters: [{name: t, cluster: {server: "http://127.0.0.1:1"}}]}'
    )
    with pytest.MonkeyPatch.context() as patch:
        defaults = {"namespace": NAMESPACE, "auth": "none", "owners": "as-named", "log_level": "ERROR"}
        for name, value in (defaults | settings).items():
            patch.setenv(f"SLUICE_{name.upper()}", value)
        patch.setenv("HOST", "127.0.0.1")  # where AUTH=none needs no consent
        patch.setenv("KUBECONFIG", str(kubeconfig))
        patch.setenv("HOST", "127.0.0.1")
        patch.setenv("FUNCTION_TARGET", "")
        patch.setattr(sys, "path", list(sys.path))
        patch.delitem(sys.modules, target, raising=False)
        patch.setattr(_worker, "RealClock", LoopClock)
        patch.setattr(_worker, "build_gateway", _repeatable_gateway)
        yield Served(create_asgi_app(target=target, source=str(SOURCES / f"{target}.py")), stores=stores)
    signal.signal(signal.SIGTERM, on_sigterm)
    logger.handlers, logger.level, logger.propagate = before
    sys.modules.pop(target, None)


def _repeatable_gateway(**given: Any) -> Any:
    return build_gateway(**given, source_of_random=random.Random(0))


def _definitions() -> list[Any]:
    return [load_crd(), load_crd(_DEAD_LETTER, group=DEAD_LETTERS.group)]


async def _all(api: Any, resource: Resource) -> list[Any]:
    answer = await deliver(api, ApiRequest(method="GET", path=path_of(resource, namespace=NAMESPACE)))
    return list(json.loads(answer.body)["items"])
