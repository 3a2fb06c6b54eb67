"""A Transport straight into an ASGI app: it writes down every call, and can break any of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from multidict import CIMultiDict

from core.kube.client import MERGE_PATCH
from core.kube.errors import ApiUnreachableError
from core.kube.transport import ApiRequest, ApiResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Hook = Callable[[], Awaitable[object]]

__all__ = ["MERGE_PATCH", "Fault", "Wire", "deliver", "describe"]

_VERBS = {"POST": "CREATE", "PUT": "UPDATE", "PATCH": "PATCH", "DELETE": "DELETE"}


@dataclass(kw_only=True)
class Fault:
    """What happens to the next call that matches; then it is used up."""

    call: str
    before: Hook | None = None
    after: Hook | None = None
    drop: bool = False
    lose_answer: bool = False
    answer: ApiResponse | Callable[[ApiRequest], ApiResponse] | None = None


@dataclass
class Wire:
    """The way of one instance to the API. `log` may be shared by several; those that take turns make one
    call each in rotation."""

    app: Any
    name: str = ""
    log: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    closed: bool = False
    take_turns: bool = False

    async def send(self, request: ApiRequest, *, timeout: float) -> ApiResponse:
        assert timeout > 0
        call = describe(request)
        if self.take_turns:
            await asyncio.sleep(0)
        self.log.append(f"{self.name}: {call}" if self.name else call)
        fault = self._next_fault(call)
        if fault is None:
            return await deliver(self.app, request)
        if fault.before:
            await fault.before()
        if fault.drop:
            raise ApiUnreachableError(f"{call} was dropped on its way")
        scripted = fault.answer(request) if callable(fault.answer) else fault.answer
        response = scripted or await deliver(self.app, request)
        if fault.after:
            await fault.after()
        if fault.lose_answer:
            raise ApiUnreachableError(f"the answer to {call} was lost")
        return response

    async def close(self) -> None:
        self.closed = True

    def on(self, call: str, **what: Any) -> None:
        """Break the next call whose description starts with `call`."""
        self.faults.append(Fault(call=call, **what))

    def _next_fault(self, call: str) -> Fault | None:
        for fault in self.faults:
            if call.startswith(fault.call):
                self.faults.remove(fault)
                return fault
        return None


def describe(request: ApiRequest) -> str:
    """Such as `LIST remediationrequests`, `PATCH remediationrequests/status`, `CREATE leases`."""
    parts = request.path.split("/")[3 if request.path.startswith("/api/") else 4 :]
    if not parts:
        return "GET kinds"
    if request.path.startswith("/openapi/"):
        return "GET openapi"
    kind, *rest = parts[2:] if parts[0] == "namespaces" and len(parts) > 2 else parts
    if request.method != "GET":
        return f"{_VERBS[request.method]} {'/'.join([kind, *rest[1:]])}"
    if rest:
        return f"GET {kind}"
    return f"LIST {kind}" if request.query.get("resourceVersion") == "0" else f"LIST {kind} consistently"


async def deliver(app: Any, request: ApiRequest) -> ApiResponse:
    """Run one ASGI request to its end."""
    body = request.body or b""
    headers = [(b"host", b"test"), (b"accept", request.accept.encode()), (b"user-agent", b"sluice/test")]
    if request.body is not None:
        headers += [(b"content-type", request.content_type.encode()), (b"content-length", str(len(body)).encode())]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": urlencode(request.query).encode(),
        "headers": headers,
        "server": ("test", 80),
        "client": ("test", 1),
        "root_path": "",
    }
    incoming = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        return incoming.pop() if incoming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    answer = CIMultiDict((key.decode(), value.decode()) for key, value in start["headers"])
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return ApiResponse(start["status"], answer, content)
