"""An ASGI app that breaks chosen requests to an API server, and writes all of them down.

Over real HTTP, unlike tests.support.wire: wrap `api.app` before an EmbeddedServer starts. A call is written as
verb and resource: `CREATE leases`, `LIST remediationrequests`, `PATCH remediationrequests/status`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from core.local.embedded.calls import parse, verb

App = Callable[[Any, Any, Any], Awaitable[None]]
Hook = Callable[[], Awaitable[object]]

_NAMES = {"get": "GET", "list": "LIST", "watch": "WATCH", "create": "CREATE", "update": "UPDATE"}


class AnswerLostError(ConnectionError):
    """Thrown into the server so that it drops the connection."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request that came in; `status` is 0 where the client got no answer."""

    call: str
    method: str
    name: str
    query: dict[str, str]
    status: int


@dataclass(kw_only=True)
class Fault:
    """What happens to the next requests that match, as often as `times` says."""

    call: str
    name: str = ""
    times: int = 1
    before: Hook | None = None
    after: Hook | None = None
    drop: bool = False
    lose_answer: bool = False
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class FaultyApp:
    """Passes requests on to `app`, except where a fault says otherwise."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.draw: Callable[[str], Fault | None] = lambda call: None
        """Asked for a fault for each call that no `on` is about."""

    def on(self, call: str, **what: Any) -> None:
        """Break the next request that is called so.

        `before` and `after` are awaited around it, `drop` lets it not arrive, `lose_answer` loses what was
        answered, and `status` answers with `headers` and `body` in its place.
        """
        self._faults.append(Fault(call=call, **what))

    @property
    def calls(self) -> list[str]:
        """What came in, in order."""
        return [one.call for one in self.seen]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or do not."""
        query = dict(parse_qsl(scope["query_string"].decode()))
        call, name = _described(scope, query)
        fault = self._taken(call, name)
        status = 0

        async def pass_on(message: Any) -> None:
            nonlocal status
            if fault and fault.lose_answer:
                return
            status = message.get("status", status)
            await send(message)

        try:
            await self._answer(fault, scope, receive, pass_on)
        finally:
            self.seen.append(Seen(call=call, method=scope["method"], name=name, query=query, status=status))
        if fault and (fault.drop or fault.lose_answer):
            await break_off(send)

    async def _answer(self, fault: Fault | None, scope: Any, receive: Any, send: Any) -> None:
        if fault and fault.before:
            await fault.before()
        if fault and fault.status:
            headers = [(key.lower().encode(), value.encode()) for key, value in fault.headers.items()]
            await send({"type": "http.response.start", "status": fault.status, "headers": headers})
            await send({"type": "http.response.body", "body": fault.body})
        elif not (fault and fault.drop):
            await self._app(scope, receive, send)
        if fault and fault.after:
            await fault.after()

    def _taken(self, call: str, name: str) -> Fault | None:
        for fault in self._faults:
            if call == fault.call and fault.name in ("", name):
                fault.times -= 1
                if not fault.times:
                    self._faults.remove(fault)
                return fault
        return self.draw(call)


def _described(scope: Any, query: dict[str, str]) -> tuple[str, str]:
    path = parse(scope["path"])
    if path is None or not path.plural:
        return f"{scope['method']} {scope['path']}", ""
    asked = verb(scope["method"], path, watch=query.get("watch") in ("true", "1"))
    return f"{_NAMES.get(asked, asked.upper())} {path.resource}", path.name


async def break_off(send: Any) -> NoReturn:
    """Close the connection in the middle of an answer: the one way that ASGI leaves open."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
    raise AnswerLostError
