"""Puts a function together: what it serves at which path, over one worker process."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pydantic_core import to_json

from core.answers import Answer, problem
from core.common.memory import PerLoop
from core.common.resilience import Deadline
from core.common.text import rfc3339
from functions._connections import bound_connections
from functions._headers import CROSS_ORIGIN, KUBERNAUT_HEADERS, STANDARD
from functions._metrics_port import MetricsPort
from functions._request import Endpoint, Handler, RequestIntake, take_signals
from functions._worker import Worker, start_worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from core.gateway import Gateway
    from core.triggers.descriptions import Description
    from functions._request import Receiver

    CheckReady = Callable[[Gateway, Deadline], Awaitable[None]]
    IntakeOfLoop = Callable[[], Awaitable[RequestIntake]]

DESCRIPTION = "/openapi.json"


class Route(NamedTuple):
    """A path that takes bodies of another form than its function's other paths.

    Args:
        path: that people are told to send to.
        receiver_over: makes its receiver of an event loop, at the first such body.
        description: what the function's OpenAPI document says of it.
    """

    path: str
    receiver_over: Callable[[Gateway], Receiver]
    description: Description


class Routes(NamedTuple):
    """Where a function takes signals, by POST, and what it serves besides.

    Args:
        paths: that people are told to send to.
        everywhere: takes signals at every other path too, as senders of CloudEvents expect.
        description: what its OpenAPI document says; without one it serves none.
        others: paths that take something else.
    """

    paths: tuple[str, ...] = ("/",)
    everywhere: bool = False
    description: Description | None = None
    others: tuple[Route, ...] = ()

    @property
    def all_paths(self) -> tuple[str, ...]:
        """All paths that people are told to send to."""
        return self.paths + tuple(other.path for other in self.others)

    @property
    def bodies(self) -> dict[str, Description]:
        """What people are told of the bodies at each path; empty where there is no description."""
        if self.description is None:
            return {}
        return dict.fromkeys(self.paths, self.description) | {other.path: other.description for other in self.others}


async def _gateway_is_ready(gateway: Gateway, deadline: Deadline) -> None:
    await gateway.check_ready(deadline=deadline)


def serve_http(
    *,
    name: str,
    receiver_over: Callable[[Gateway], Receiver],
    paths: tuple[str, ...] = ("/",),
    everywhere: bool = False,
    description: Description | None = None,
    others: tuple[Route, ...] = (),
    any_type: bool = False,
    check_ready: CheckReady = _gateway_is_ready,
) -> Callable[[Request], Awaitable[Response]]:
    """Return the function that functions-framework calls with each request.

    Settings are read here, at import, so that a wrong one stops the start; nothing that belongs to an
    event loop is made before the first request.

    Args:
        name: as the function is deployed.
        receiver_over: makes the receiver of an event loop, at the first signal.
        paths: that people are told to send to.
        everywhere: takes signals at every other path too, as senders of CloudEvents expect.
        description: what its OpenAPI document says; without one it serves none.
        others: paths that take something else.
        any_type: takes bodies that are not JSON.
        check_ready: what /readyz asks; whether RRs can be stored, unless told otherwise.

    Raises:
        SystemExit: a setting is wrong.
    """
    worker = start_worker()
    bound_connections(shed=partial(worker.metrics.shed, "connections"))
    metrics_port = MetricsPort(port=worker.settings.metrics_port, registry=worker.registry, logger=worker.logger)
    metrics_port.open_in_workers()

    async def build(over: Callable[[Gateway], Receiver]) -> RequestIntake:
        gateway = await worker.gateway()
        return RequestIntake(gateway=gateway, receiver=over(gateway), any_type=any_type)

    handlers, fallback = handlers_over(
        worker,
        routes=Routes(paths=paths, everywhere=everywhere, description=description, others=others),
        intake=PerLoop(partial(build, receiver_over)).get,
        others={other.path: PerLoop(partial(build, other.receiver_over)).get for other in others},
        check_ready=check_ready,
    )
    prepare = PerLoop(metrics_port.open).get
    return Endpoint(worker=worker, handlers=handlers, fallback=fallback, prepare=prepare).as_function(name)


def handlers_over(
    worker: Worker,
    *,
    routes: Routes,
    intake: IntakeOfLoop,
    others: Mapping[str, IntakeOfLoop] = MappingProxyType({}),
    check_ready: CheckReady = _gateway_is_ready,
) -> tuple[Mapping[str, Handler], Handler]:
    """Return what a process serves by path, and what at every other path.

    Args:
        worker: the process.
        routes: what is served where.
        intake: returns what takes the bodies in the running loop.
        others: the same by path, for paths that take something else.
        check_ready: what /readyz asks.
    """
    as_kubernaut = worker.settings.profile == "kubernaut"
    standard = STANDARD | KUBERNAUT_HEADERS if as_kubernaut else STANDARD
    # Where nobody has to prove who they are, any page that a browser shows could send alerts.
    cross_origin = as_kubernaut and "none" not in worker.settings.auth_ways

    def signals(path: str) -> Handler:
        take = partial(take_signals, worker, others.get(path, intake))
        headers = standard | CROSS_ORIGIN if cross_origin else standard
        return Handler(path, "POST", take, headers, cross_origin=cross_origin)

    handlers = {path: signals(path) for path in routes.all_paths} | {
        "/healthz": Handler("/healthz", "GET, HEAD", partial(_health, worker), standard, probe=True),
        "/readyz": Handler("/readyz", "GET, HEAD", partial(_readiness, worker, check_ready), standard, probe=True),
        "/metrics": Handler("/metrics", "GET", partial(_metrics, worker), standard, probe=True),
    }
    if routes.description:
        handlers[DESCRIPTION] = Handler(DESCRIPTION, "GET", partial(_describe, routes), standard)
    if routes.everywhere:
        fallback = signals(routes.paths[0])._replace(headers=standard, cross_origin=False)
    else:
        fallback = Handler("other", "", partial(_refuse, routes), standard)
    return handlers, fallback


async def _health(worker: Worker, _: Request) -> Answer:
    return Answer(200, to_json({"status": "healthy", "timestamp": rfc3339(worker.clock.now())}))


async def _readiness(worker: Worker, check_ready: CheckReady, _: Request) -> Answer:
    gateway = await worker.gateway()
    await check_ready(gateway, Deadline(clock=gateway.clock, seconds=gateway.settings.request_deadline))
    warnings = gateway.clusters.seen
    return Answer(200, to_json({"status": "ready"} | ({"warnings": warnings} if warnings else {})))


async def _metrics(worker: Worker, request: Request) -> Answer:
    return Answer(200, *worker.exposition(request.headers.get("accept", "")))


async def _describe(routes: Routes, _: Request) -> Answer:
    from functions._openapi import document  # noqa: PLC0415 - no cold start pays for it

    return Answer(200, document(routes.bodies))


async def _refuse(routes: Routes, request: Request) -> Answer:
    path = request.scope["path"]
    return problem(404, f"nothing is served at {path}; send signals to {' or '.join(routes.all_paths)}")
