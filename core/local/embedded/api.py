"""The whole API: one function from call to answer, an ASGI application, and that served on loopback, nowhere else."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import uvicorn
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from core.common.clock import RealClock
from core.local.embedded.access import REVIEWS, Access, User, answer_review
from core.local.embedded.calls import Answer, Call, parse, route, verb
from core.local.embedded.discovery import HEALTH_PATHS, describe, openapi
from core.local.embedded.encoding import MAX_BODY, error_answer, json_answer, text_answer
from core.local.embedded.kinds import BUILTIN, CRDS, NAMESPACES, JsonObject, Kind, Registry, kinds_of, load_crd
from core.local.embedded.statuses import ApiError, PageNotFoundError, method_not_allowed
from core.local.embedded.store import Change, Lag, Store
from core.local.embedded.verbs import create, delete, get, list_objects, open_watch, patch, update, watch
from core.local.embedded.writes import create as create_object
from core.local.guest import GuestServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from core.local.embedded.verbs import Watch

AsgiCallable = Callable[[Any, Any, Any], Awaitable[None]]

_WATCH_SECONDS = 1800.0
_END = b""


class AsgiApp:
    """Answers HTTP requests from an EmbeddedApi."""

    def __init__(self, api: EmbeddedApi) -> None:
        self._api = api
        self._watches: set[asyncio.Queue[bytes]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        call = Call(
            method=request.method,
            path=scope["path"],
            query=dict(request.query_params),
            headers=_headers(request),
            body=await _body(request),
        )
        watch = self._api.open_watch(call)
        response = self._stream(call, watch) if watch else self._respond(call)
        await response(scope, receive, send)

    def end_watches(self) -> None:
        """End all streams, as a server that stops does."""
        for queue in self._watches:
            queue.put_nowait(_END)

    def _respond(self, call: Call) -> Response:
        answer = self._api.handle(call)
        body = b"" if call.method == "HEAD" else answer.body
        return Response(body, status_code=answer.status, headers=dict(answer.headers))

    def _stream(self, call: Call, watch: Watch) -> Response:
        seconds = call.query.get("timeoutSeconds", "")
        lines = self._lines(watch, float(seconds) if seconds.isdecimal() else _WATCH_SECONDS)
        headers = {"Content-Type": "application/json", "Date": self._api.date()}
        return StreamingResponse(lines, headers=headers)

    async def _lines(self, watch: Watch, seconds: float) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        first, end = watch.start(queue.put_nowait)
        self._watches.add(queue)
        try:
            for line in first:
                yield line
            async with asyncio.timeout(seconds):
                while (line := await queue.get()) != _END:
                    yield line
        except TimeoutError:
            return
        finally:
            self._watches.discard(queue)
            end()


def _headers(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


async def _body(request: Request) -> bytes:
    """Return the body, not reading on once it is longer than the API takes."""
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            break
    return b"".join(parts)


_EVERYWHERE = ("default", "kube-system", "kube-public", "kube-node-lease")
_MANAGER = "embedded-api"
_VERBS = {
    "get": get,
    "list": list_objects,
    "watch": watch,
    "create": create,
    "update": update,
    "patch": patch,
    "delete": delete,
}


class WallClock(Protocol):
    """The server's own clock."""

    def now(self) -> datetime:
        """Return the time, with a zone."""


class EmbeddedApi:
    """A Kubernetes API in memory, for a person's machine and for tests.

    `clock` gives creation times, managedFields times and the Date header. `new_uid` and `random` make uids and
    generated names. `crds` are CRD objects to install at the start (default: the one in knative/cluster/crd.yaml);
    `namespaces` are made beside the four that every cluster has. `access` holds tokens and rules; without
    tokens everybody may do everything. `app` is the ASGI application, and what EmbeddedServer serves: tests may
    wrap it. `lag` delays what reads with resourceVersion=0 see, and may be
    replaced at any time through the attribute of the same name.
    """

    def __init__(
        self,
        *,
        clock: WallClock | None = None,
        new_uid: Callable[[], str] = lambda: str(uuid4()),
        random: Random | None = None,
        crds: Iterable[JsonObject] | None = None,
        namespaces: Iterable[str] = (),
        access: Access | None = None,
        lag: Lag | None = None,
    ) -> None:
        self._clock = clock or RealClock()
        self.access = access or Access()
        self.store = Store(now=self._clock.now, new_uid=new_uid, random=random or Random(), lag=lag)  # noqa: S311
        self.kinds = Registry((*BUILTIN, CRDS, *REVIEWS.values()))
        self.store.collection(CRDS).observe(self._serve)
        self._install(namespaces, [load_crd()] if crds is None else crds)
        self._asgi = AsgiApp(self)
        self.app: AsgiCallable = self._asgi

    @property
    def lag(self) -> Lag:
        """How far reads with resourceVersion=0 trail behind."""
        return self.store.lag

    @lag.setter
    def lag(self, lag: Lag) -> None:
        self.store.lag = lag

    def handle(self, call: Call) -> Answer:
        """Answer a call at once. A watch ends after what it has to send first."""
        try:
            answer = self._answer(call)
        except ApiError as error:
            answer = error_answer(error)
        except PageNotFoundError:
            answer = text_answer(404, "404 page not found\n")
        return Answer(status=answer.status, body=answer.body, headers={**answer.headers, "Date": self.date()})

    def open_watch(self, call: Call) -> Watch | None:
        """Return the watch that a call asks for, None when it asks for something else or is refused."""
        path = parse(call.path)
        if path is None or verb(call.method, path, watch=_asks_to_watch(call)) != "watch":
            return None
        try:
            self.access.authorize(self.access.authenticate(call.headers), "watch", path)
            return open_watch(self.store, call, path, route(path, "watch", self.kinds))
        except (ApiError, PageNotFoundError):
            return None

    def end_watches(self) -> None:
        """End all open watches, as a server that stops does."""
        self._asgi.end_watches()

    def date(self) -> str:
        """Return the Date header."""
        return format_datetime(self._clock.now().astimezone(UTC), usegmt=True)

    def _answer(self, call: Call) -> Answer:
        user = self.access.authenticate(call.headers)
        path = parse(call.path)
        if path is None or not path.plural:
            return self._answer_path(call, user)
        asked = verb(call.method, path, watch=_asks_to_watch(call))
        self.access.authorize(user, asked, path)
        kind = route(path, asked, self.kinds)
        if path.type in REVIEWS:
            return answer_review(call, self.access, kind)
        if asked not in _VERBS:
            raise method_not_allowed()
        return _VERBS[asked](self.store, call, path, kind)

    def _answer_path(self, call: Call, user: User) -> Answer:
        self.access.authorize_path(user, call.method, call.path)
        if call.path in HEALTH_PATHS:
            return text_answer(200, "ok")
        described = openapi if call.path.startswith("/openapi/v3") else describe
        return json_answer(200, described(call.path, self.kinds))

    def _install(self, namespaces: Iterable[str], crds: Iterable[JsonObject]) -> None:
        for name in dict.fromkeys((*_EVERYWHERE, *namespaces)):
            self._create(NAMESPACES, {"metadata": {"name": name}})
        for crd in crds:
            self._create(CRDS, crd)

    def _create(self, kind: Kind, obj: JsonObject) -> None:
        named = {"apiVersion": kind.api_version, "kind": kind.kind} | obj
        create_object(self.store, kind, "", named, manager=_MANAGER)

    def _serve(self, change: Change) -> None:
        """Serve what a CRD defines from the moment it is stored; its objects go with it."""
        for kind in kinds_of(change.before.value) if change.before else ():
            self.kinds.remove(kind)
            for stored in self.store.list(kind, "").items if change.after is None else ():
                self.store.remove(kind, stored)
        for kind in kinds_of(change.after.value) if change.after else ():
            self.kinds.add(kind)


def _asks_to_watch(call: Call) -> bool:
    return call.query.get("watch") in ("true", "1")


# What Knative, Cloud Run and Cloud Functions, or Kubernetes itself, set in everything they run.
_DEPLOYMENT_SIGNS = ("K_SERVICE", "K_REVISION", "CLOUD_RUN_JOB", "KUBERNETES_SERVICE_HOST")

_STOPPING_STEP = 0.05  # seconds


class EmbeddedServerError(RuntimeError):
    """The embedded API must not, or cannot, be started here."""


class EmbeddedServer:
    """Serves an EmbeddedApi inside the running event loop; an async context manager that gives the URL.

    `host` must be a loopback address; port 0 takes a free one. `environ` is looked at for signs of a
    deployment, where a store in memory that forgets everything must never stand in for the cluster.
    """

    def __init__(
        self,
        api: EmbeddedApi,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._api = api
        self._host = _loopback(host)
        self._port = port
        self._environ = environ
        self._server: GuestServer | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> str:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> str:
        """Listen and return the URL, without a slash at the end.

        Raises:
            EmbeddedServerError: this is a deployment, or the port is taken.
        """
        self._refuse_deployment()
        listener = self._listen()
        port = listener.getsockname()[1]
        self._server = GuestServer(_config(self._api))
        self._task = asyncio.create_task(self._server.serve([listener]))
        await self._server.ready.wait()
        shown = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{shown}:{port}"

    async def stop(self) -> None:
        """End all watches, close all connections and stop listening."""
        if self._server is None or self._task is None:
            return
        self._server.stop()
        while not self._task.done():
            self._api.end_watches()  # more than once: another may begin meanwhile, on a connection that is open
            await asyncio.wait((self._task,), timeout=_STOPPING_STEP)
        await self._task
        self._server = self._task = None

    def _refuse_deployment(self) -> None:
        signs = [name for name in _DEPLOYMENT_SIGNS if self._environ.get(name)]
        if signs:
            message = (
                f"The embedded Kubernetes API does not start in a deployment, and {' and '.join(signs)} in the "
                "environment says that this is one. It keeps everything in memory: use the cluster. If this is "
                f"a person's machine or a test after all, run it without {' and '.join(signs)}."
            )
            raise EmbeddedServerError(message)

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # With the protocol named, asyncio sets TCP_NODELAY; without it each answer waits 40 ms for an ACK.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, self._port))
        except OSError as error:
            listener.close()
            message = f"The embedded Kubernetes API cannot listen on {self._host}:{self._port}: {error.strerror}"
            raise EmbeddedServerError(message) from error
        return listener


def _loopback(host: str) -> str:
    address = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        message = f"host {host!r} is not a loopback address; the embedded Kubernetes API takes 127.0.0.1 or ::1"
        raise EmbeddedServerError(message)
    return address


def _config(api: EmbeddedApi) -> uvicorn.Config:
    return uvicorn.Config(
        api.app,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        date_header=False,  # ours comes from the API's own clock
        server_header=False,
        timeout_keep_alive=75,
    )
