"""Waits until the function is ready, and says meanwhile what it waits for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from core.common.resilience import Deadline
from core.kube.errors import BadRequestError, ForbiddenError, KubernetesError, NamespaceNotFoundError
from core.kube.resources import KINDS, remediation_requests
from core.local.cluster import open_client
from core.local.shell import CommandError
from core.local.web import UnansweredError, call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from core.common.clock import Clock
    from core.settings import Settings

    Obstacle = Callable[[], Awaitable[str]]


_POLL_SECONDS = 0.1
_ANSWER_SECONDS = 5.0  # longer than SLUICE_API_TIMEOUT, which bounds what /readyz does
_STILL_STARTING = "the function does not listen yet"


class Child(Protocol):
    """What is waited for."""

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""

    async def ended_within(self, seconds: float) -> bool:
        """Wait at most `seconds`, and tell whether it has ended."""


async def wait_until_ready(
    obstacle: Obstacle, child: Child, *, seconds: float, clock: Clock, tell: Callable[[str], None]
) -> None:
    """Return when `obstacle` finds none; each new one is told once.

    An obstacle such as a missing CRD may be removed by its user meanwhile, hence the wait.

    Raises:
        CommandError: `child` ended, or something was still in the way after `seconds`.
    """
    deadline = Deadline(clock=clock, seconds=seconds)
    told = _STILL_STARTING
    while sentence := await obstacle():
        if sentence not in (told, _STILL_STARTING):
            tell(f"Not ready yet: {sentence}. Waiting until it is.")
            told = sentence
        if await child.ended_within(_POLL_SECONDS):
            raise ended_by_itself(child)
        if deadline.passed:
            raise CommandError(f"not ready after {seconds:g} s: {sentence}")


async def function_obstacle(url: str) -> str:
    """Return what /readyz says is missing; empty where nothing is."""
    try:
        answer = await asyncio.to_thread(call, f"{url}/readyz", timeout=_ANSWER_SECONDS)
    except UnansweredError:
        return _STILL_STARTING
    return "" if answer.status == 200 else answer.sentence


async def cluster_obstacle(settings: Settings, *, clock: Clock) -> str:
    """Return why no function can work on the cluster that the environment names; empty where it can.

    It asks what /readyz asks, so that what is missing is told before a function starts and logs it for every probe.
    """
    kind = remediation_requests(group=settings.group, version=settings.version)
    query = {"fieldSelector": f"spec.signalFingerprint={'0' * 64}", "limit": "1"}
    deadline = Deadline(clock=clock, seconds=settings.api_timeout)
    async with open_client(settings, clock=clock) as client:
        try:
            await client.list(kind, namespace=settings.namespace, query=query, deadline=deadline)
        except BadRequestError as error:
            return f"{error}; fields can be selected by from Kubernetes 1.31 on, where the CRD names them"
        except KubernetesError as error:
            return str(error)
    return await namespace_obstacle(settings, clock=clock)


async def namespace_obstacle(settings: Settings, *, clock: Clock) -> str:
    """Return what is wrong with the namespace, which /readyz cannot see: a LIST in none is empty."""
    deadline = Deadline(clock=clock, seconds=settings.api_timeout)
    async with open_client(settings, clock=clock) as client:
        try:
            await client.get(KINDS["Namespace"], name=settings.namespace, deadline=deadline)
        except NamespaceNotFoundError:
            return (
                f"the namespace {settings.namespace!r} does not exist: run `kubectl create namespace "
                f"{settings.namespace}`, or set SLUICE_NAMESPACE to one that does"
            )
        except ForbiddenError:
            return ""  # the gateway needs no right to read namespaces
        except KubernetesError as error:
            return str(error)
    return ""


def ended_by_itself(child: Child) -> CommandError:
    """Return the error for a child that is no more."""
    return CommandError(
        f"the function ended by itself with exit code {child.exit_code}; what it said last is above",
        exit_code=child.exit_code or 0,
    )
