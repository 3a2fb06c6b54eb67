"""One webhook as work: what it takes of the function, of the API server and of its seats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.scale.flow_control import shipped_level
from tests.bench.scale.model import calls_per_signal, demand, function_ms_per_signal

if TYPE_CHECKING:
    from tests.bench.scale.costs import Costs
    from tests.bench.scale.model import Mix


@dataclass(frozen=True, kw_only=True)
class Work:
    """Of one webhook: signals in it; seconds of CPU in the function and the server, of a seat, and of waiting."""

    signals: float
    function: float
    server: float
    seats: float
    latency: float

    @classmethod
    def of(cls, mix: Mix, costs: Costs) -> Work:
        """What an average webhook of `mix` takes."""
        needed = demand(mix, costs)
        webhooks = mix.per_second / mix.alerts
        return cls(
            signals=mix.alerts,
            function=function_ms_per_signal(mix, costs) * mix.alerts / 1000,
            server=needed.server_cores / webhooks,
            seats=needed.seats / webhooks,
            latency=needed.latency_ms / 1000,
        )


@dataclass(frozen=True, kw_only=True)
class ServerCapacity:
    """What the API server gives to Sluice."""

    cores: float
    seats: float

    @classmethod
    def shipped(cls, *, cores: float, replicas: int = 1) -> ServerCapacity:
        """`cores` of all replicas, and the seats of the shipped priority level."""
        return cls(cores=cores, seats=shipped_level().seats * replicas)


def webhook_calls(mix: Mix) -> float:
    """API calls of one webhook."""
    return sum(calls_per_signal(mix).values()) * mix.alerts
