"""What is measured. Each workload is a pair of slices, ours and the floor's, run in turn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from tests.bench.load import Slice, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.bench.floor import BareClient
    from tests.bench.gateway import Poster

    Operation = Callable[[], Awaitable[None]]

_fresh = count()


@dataclass(frozen=True)
class Workload:
    """Operations of one kind, `in_flight` at a time; each carries `signals` signals.

    `known` is how many workloads the repeats are spread over; 0 makes every signal a new one.
    """

    name: str
    in_flight: int
    operations: int
    signals: int = 1
    known: int = 0

    async def prepare(self, ours: Poster, floor: BareClient) -> None:
        """Create what the repeats repeat."""
        for place in range(self.known):
            await ours.new(self.known_name(place))
            await floor.new(f"{self.known_name(place)}-floor")

    async def ours(self, poster: Poster) -> Slice:
        """Run one slice against the function."""
        return await run(self._ours(poster), in_flight=self.in_flight)

    async def floor(self, client: BareClient) -> Slice:
        """Run one slice of bare calls: as many signals, each with calls of its own."""
        return await run(self._floor(client), in_flight=self.in_flight * self.signals)

    def _ours(self, poster: Poster) -> Iterator[Operation]:
        for turn in range(self.operations):
            if self.known:
                yield partial(poster.repeat, self.known_name(turn % self.known))
            else:
                yield partial(poster.new, *(f"pod-{next(_fresh)}" for _ in range(self.signals)))

    def _floor(self, client: BareClient) -> Iterator[Operation]:
        for turn in range(self.operations * self.signals):
            if self.known:
                yield partial(client.repeat, f"{self.known_name(turn % self.known)}-floor")
            else:
                yield partial(client.new, f"pod-{next(_fresh)}")

    def known_name(self, place: int) -> str:
        """Name a workload that repeats are about."""
        return f"{self.name.replace(' ', '-').replace(',', '')}-{place}"


WORKLOADS = (
    Workload("new, 16 in flight", in_flight=16, operations=160),
    Workload("repeats over 50, 50 in flight", in_flight=50, operations=400, known=50),
    Workload("one fingerprint, 16 in flight", in_flight=16, operations=400, known=1),
    Workload("webhooks of 20 new, 4 in flight", in_flight=4, operations=8, signals=20),
    Workload("new, one at a time", in_flight=1, operations=60),
    Workload("repeat, one at a time", in_flight=1, operations=100, known=1),
)
