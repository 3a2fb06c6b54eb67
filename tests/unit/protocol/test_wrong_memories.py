"""Whatever the memory says, the outcome is that of an instance which remembers nothing; only calls differ."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.common.clock import MockClock
from core.local.embedded import EmbeddedApi
from core.protocol.remediation_request import DeduplicationStatus, RemediationRequest
from tests.support.instances import NAMESPACE, START, Instance, World, at_once, fingerprint, signal

if TYPE_CHECKING:
    from core.protocol.recorder import RemediationRequestMemory

WORKLOADS = ("web", "db")
PHASES = ("", "Pending", "Processing", "Blocked", "Completed", "Failed", "TimedOut", "Skipped", "Cancelled", "NoSuch")


@dataclass(frozen=True)
class Poison:
    """What is remembered of `key`: the view number `view` of all that there ever were, changed by `garble`.

    A resourceVersion stands for what was seen with it, so a garbled view has another one.
    """

    key: str
    view: int
    garble: dict[str, Any]

    def put_into(self, memory: RemediationRequestMemory, views: list[RemediationRequest]) -> None:
        if not views:
            return
        wrong = views[self.view % len(views)]._replace(**self.garble)
        memory._rrs.put(fingerprint(self.key), wrong)


HISTORY = st.lists(
    st.tuples(st.sampled_from(WORKLOADS), st.sampled_from(["alert", "Completed", "Failed", "Processing", "delete"])),
    max_size=6,
)
DEDUPLICATIONS = st.none() | st.builds(
    DeduplicationStatus,
    occurrence_count=st.integers(1, 99),
    first_seen_at=st.just("2025-01-01T00:00:00Z"),
    last_seen_at=st.just("2025-01-01T00:00:00Z"),
)
GARBLES: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.fixed_dictionaries(
    {"resource_version": st.sampled_from(["1", "999999999", "18446744073709551615"])},
    optional={
        "name": st.sampled_from(["rr-none", "rr-000000000000-00000000"]),
        "namespace": st.just(NAMESPACE),
        "uid": st.just("00000000-0000-4000-8000-000000000000"),
        "phase": st.sampled_from(PHASES),
        "fingerprint": st.sampled_from([fingerprint(name) for name in WORKLOADS]),
        "deduplication": DEDUPLICATIONS,
    },
)
POISONS = st.lists(
    st.builds(Poison, key=st.sampled_from(WORKLOADS), view=st.integers(0, 20), garble=GARBLES), min_size=1, max_size=2
)
POSTS = st.lists(st.lists(st.sampled_from(WORKLOADS), min_size=1, max_size=4), min_size=1, max_size=3)


@settings(max_examples=80, deadline=None)
@given(history=HISTORY, poisons=POISONS, posts=POSTS)
@example(  # another workload's request, with its current resourceVersion: a write on it would succeed
    history=[("web", "alert"), ("db", "alert")], poisons=[Poison("web", 1, {})], posts=[["web"]]
)
@example(  # one that has ended since, and one that was deleted
    history=[("web", "alert"), ("web", "Completed")], poisons=[Poison("web", 0, {})], posts=[["web", "web"]]
)
@example(history=[("web", "alert"), ("web", "delete")], poisons=[Poison("web", 0, {})], posts=[["web"]])
def test_outcome_is_that_of_an_empty_memory(history, poisons, posts):
    assert asyncio.run(_outcome(history, posts, poisons)) == asyncio.run(_outcome(history, posts, []))


async def _outcome(history: Any, posts: Any, poisons: list[Poison]) -> Any:
    """Return all answers and what is stored in the end, without what is random: names, uids and times."""
    clock = MockClock(START)
    world = World(EmbeddedApi(clock=clock, namespaces=[NAMESPACE]).app, clock)
    views = await _make(world, history)
    one = world.instance()
    for poison in poisons:
        poison.put_into(_memory(one), views)
    answers = []
    for names in posts:
        (results,) = await at_once(one.post(*(signal(name) for name in names)))
        known = {name: [each["metadata"]["name"] for each in await _stored(world, name)] for name in WORKLOADS}
        answers.append(
            [
                (result.status, result.metadata and result.metadata["count"], known[name].index(result.rr_name))
                for name, result in zip(names, results, strict=True)
            ]
        )
    stored = {name: [_shape(rr) for rr in await _stored(world, name)] for name in WORKLOADS}
    leases = await world.locks()
    await world.close()
    return answers, stored, leases


async def _make(world: World, history: Any) -> list[RemediationRequest]:
    """Let an instance that forgets everything make the requests; return every view that there ever was of one."""
    other = world.instance(memory_rrs=0)
    views = []
    for name, event in history:
        world.pass_time(5)
        existing = await _stored(world, name)
        if event == "alert":
            await other.post(signal(name))
        elif event == "delete" and existing:
            await world.delete_rr(of=fingerprint(name))
        elif event != "delete" and existing:
            await world.set_phase(event, of=fingerprint(name))
        views += [RemediationRequest.from_object(each) for each in await _stored(world, name)]
    world.pass_time(5)
    return views


async def _stored(world: World, name: str) -> list[Any]:
    rrs = await world.rrs(fingerprint(name))
    return sorted(rrs, key=lambda each: each["metadata"]["creationTimestamp"])


def _shape(request: Any) -> tuple[str, int]:
    status = request.get("status", {})
    return status.get("overallPhase", ""), status.get("deduplication", {}).get("occurrenceCount", 1)


def _memory(instance: Instance) -> RemediationRequestMemory:
    record: Any = instance.gateway.rounds._record
    memory: RemediationRequestMemory = record.__self__._memory
    return memory
