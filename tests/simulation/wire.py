"""The way of one gateway to the API servers: core.kube.transport.Transport with everything that goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict
from pydantic_core import to_json

from core.kube.errors import ApiUnreachableError
from core.kube.transport import ApiRequest, ApiResponse
from tests.simulation.faults import Fate, fate
from tests.support.wire import describe

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from tests.simulation.api import Replica
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

_INSTEAD = {"429": 429, "500 before": 500, "503": 503}
_REFUSALS = {
    "policy": (
        422,
        b'{"kind":"Status","apiVersion":"v1","status":"Failure","code":422,"reason":"Invalid",'
        b'"message":"ValidatingAdmissionPolicy \'no-alerts\' denied request","details":{"causes":[{"message":"no"}]}}',
    ),
    "quota": (
        403,
        b'{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,"reason":"Forbidden",'
        b'"message":"exceeded quota: count/remediationrequests","details":{"name":"x"}}',
    ),
    "page": (400, b"<html><body>Bad Request</body></html>"),
}
_AFTERWARDS = {"500 after": 500, "504 after": 504}
_SILENT = ("lost before", "lost after")


class Wire:
    """One incarnation of one pod; `actor` names it in the trace and in managedFields.

    `granted` is called when the answer arrives that gives it a Lease.
    """

    def __init__(self, *, world: World, machine: Machine, actor: str, granted: Callable[[], None]) -> None:
        self._world = world
        self._machine = machine
        self._actor = actor
        self._granted = granted
        self._calls = 0

    async def send(self, request: ApiRequest, *, timeout: float) -> ApiResponse:
        if self._machine.dead:
            raise ApiUnreachableError("this process is dead")
        self._calls += 1
        world = self._world
        drawn = fate(world.scenario, self._actor, self._calls, without=world.without, healed=world.healed)
        what = f"{describe(request)} #{self._calls}"
        world.note(self._actor, f"-> {what}" + (f" [{drawn.kind}]" if drawn.kind else ""))
        if drawn.kind:
            world.trace.fault(drawn.key, drawn.kind)
        world.judge.on_send(self._actor, request)
        answer: asyncio.Future[ApiResponse] = world.loop.create_future()
        world.loop.outside(drawn.there, self._arrive, request, drawn, answer)
        timer = world.loop.call_later(timeout, _fail, answer, f"no answer in {timeout:.1f} s")
        try:
            response = await answer
            world.note(self._actor, f"<- {what} {response.status}")
            return response
        finally:
            timer.cancel()
            world.judge.on_returned(self._actor, request)

    async def close(self) -> None:
        pass

    def _arrive(self, request: ApiRequest, drawn: Fate, answer: asyncio.Future[ApiResponse]) -> None:
        world = self._world
        replica = world.replicas[drawn.replica]
        if drawn.kind == "refused" or world.is_down(drawn.replica):
            _fail(answer, "connection refused")
            return
        if drawn.kind == "lost before":
            return
        instead = self._instead(request, drawn.kind, replica)
        if instead:
            self._deliver(request, drawn, answer, instead, untrue=True)
            return
        response = world.api.handle(request, actor=self._actor, replica=replica)
        world.trace.state(f"{describe(request)} {_outcome(response)}")
        if drawn.kind in _AFTERWARDS:
            response = _status(_AFTERWARDS[drawn.kind], response.headers)
        elif drawn.kind == "half body":
            response = ApiResponse(response.status, response.headers, response.body[: len(response.body) // 2])
        if drawn.kind == "lost after":
            return
        if drawn.kind in ("reset", "cut body"):
            world.loop.outside(drawn.back, _fail, answer, "connection reset")
            return
        self._deliver(request, drawn, answer, response)

    def _instead(self, request: ApiRequest, kind: str, replica: Replica) -> ApiResponse | None:
        """Return what a call is answered that is not done."""
        api = self._world.api
        if kind in _INSTEAD:
            return _status(_INSTEAD[kind], api.headers(replica))
        if kind in _REFUSALS:
            code, body = _REFUSALS[kind]
            return ApiResponse(code, api.headers(replica), body)
        if kind == "unchanged" and request.method == "PATCH":
            as_it_was = request._replace(method="GET", path=request.path.removesuffix("/status"), body=None)
            return api.handle(as_it_was, actor=self._actor, replica=replica)
        return None

    def _deliver(
        self,
        request: ApiRequest,
        drawn: Fate,
        answer: asyncio.Future[ApiResponse],
        response: ApiResponse,
        *,
        untrue: bool = False,
    ) -> None:
        self._world.loop.outside(drawn.back, self._answer, request, drawn, answer, response, untrue)

    def _answer(
        self,
        request: ApiRequest,
        drawn: Fate,
        answer: asyncio.Future[ApiResponse],
        response: ApiResponse,
        untrue: bool,
    ) -> None:
        if answer.done():
            return
        if response.status < 300 and drawn.kind != "half body" and not untrue:
            self._world.judge.on_answered(self._actor, request, response.body)
        answer.set_result(response)
        if response.status < 300 and request.method in ("POST", "PUT") and "/leases" in request.path:
            self._granted()


def _fail(answer: asyncio.Future[Any], why: str) -> None:
    if not answer.done():
        answer.set_exception(ApiUnreachableError(why))
        answer.exception()  # a caller that died never asks


def _status(code: int, headers: Any) -> ApiResponse:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "simulated"}
    asked = {"Retry-After": "1"} if code == 429 else {}
    return ApiResponse(code, CIMultiDict({**headers, **asked}), to_json(body))


def _outcome(response: ApiResponse) -> str:
    if response.status == 409:
        return "AlreadyExists" if b'"AlreadyExists"' in response.body else "Conflict"
    return str(response.status)
