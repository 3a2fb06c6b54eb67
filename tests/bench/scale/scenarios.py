"""The rates and the bursts that docs/scale.md tells of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.bench.scale.advice import advise, advised
from tests.bench.scale.burst import Burst, Outcome
from tests.bench.scale.model import Mix, ServerCapacity, Work
from tests.bench.scale.senders import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.scale.calibration import Calibration
    from tests.bench.scale.costs import Costs
    from tests.bench.scale.manifests import ServiceSettings

# Not measured here: scheduling, the container's start and its first successful probe, image present on the node.
POD_OVERHEAD = 1.5
RATES = (10, 1_000, 100_000)
FLOOD = Mix(per_second=10_000, alerts=20, new=0.05, stored=1_000, active=5_000)


@dataclass(frozen=True)
class Scenario:
    """A burst that meets no running pod."""

    name: str
    settings: ServiceSettings
    server: ServerCapacity
    phases: Sequence[Phase]
    seconds: int = 900
    ready: int = 0
    activators: int = 1

    def run(self, measured: Calibration) -> Outcome:
        """Simulate it."""
        burst = Burst(
            self.settings,
            self.phases,
            server=self.server,
            starts_in=POD_OVERHEAD + measured.cold_start_s,
            ready=self.ready,
            activators=self.activators,
        )
        return burst.run(self.seconds)


def node_failure(costs: Costs) -> list[Phase]:
    """300 workloads of a node, each alert sent five times by two Alertmanagers in groups of ten."""
    mix = Mix(per_second=300, alerts=10, instances=10, stored=1_000)
    new, repeat = Work.of(replace(mix, new=0.5), costs), Work.of(replace(mix, new=0.0), costs)
    first = [Phase(start=0.0, end=2.0, webhooks=60, work=new)]
    return first + [Phase(start=at, end=at + 2.0, webhooks=60, work=repeat) for at in (10.0, 20.0, 30.0, 40.0)]


def flood(costs: Costs, *, instances: int, per_second: float = 10_000.0, seconds: float = 30.0) -> list[Phase]:
    """So many alerts a second in webhooks of 20, one in twenty a new problem."""
    mix = replace(FLOOD, per_second=per_second, instances=instances)
    webhooks = per_second / mix.alerts * seconds
    return [Phase(start=0.0, end=seconds, webhooks=webhooks, work=Work.of(mix, costs))]


def scenarios(costs: Costs, service: Callable[[str], ServiceSettings], *, cores: float) -> list[Scenario]:
    """The shipped manifests under both bursts, on an API server of so many cores, and on a bigger one."""
    base, production = service("base"), service("production")
    small, big = ServerCapacity.shipped(cores=cores), ServerCapacity.shipped(cores=8 * cores, replicas=3)
    warm = production.min_scale
    return [
        Scenario("node failure, base", base, small, node_failure(costs)),
        Scenario("node failure, production", production, small, node_failure(costs), ready=warm),
        Scenario("flood, base", base, small, flood(costs, instances=base.max_scale), seconds=3_000),
        _advised_flood(base, small, costs),
        Scenario(
            "flood, production, 8 x the server",
            production,
            big,
            flood(costs, instances=production.max_scale),
            ready=warm,
        ),
        _advised_flood(production, big, costs, replicas=3, ready=warm),
    ]


def _advised_flood(
    service: ServiceSettings, server: ServerCapacity, costs: Costs, *, replicas: int = 1, ready: int = 0
) -> Scenario:
    advice = advise(FLOOD, costs, cores=server.cores, replicas=replicas)
    phases = flood(costs, instances=advice.max_scale)
    name = f"... with {advice.container_concurrency} at once in {advice.max_scale} pods at most"
    return Scenario(name, advised(service, advice), server, phases, seconds=3_000, ready=ready)
