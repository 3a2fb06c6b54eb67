"""Several instances under one fingerprint in a storm: each gets its turn, by the real protocol on virtual time."""

import asyncio
from collections import Counter

import pytest

from tests.bench.figures import percentile
from tests.simulation.pods import Pod
from tests.simulation.scenario import TARGETS, Scenario
from tests.simulation.senders import ALERTS, webhook
from tests.simulation.world import World

TARGET = TARGETS[0]
CALL_SECONDS = 0.002  # each way, on average
EACH_SENDS = 40


class Storm:
    """Senders that each keep one webhook in flight; each always sends to the same pod, as a kept connection does."""

    def __init__(self, *, pods: int, senders: int, seed: int) -> None:
        self.world = World(_calm(pods=pods, seed=seed), without=())
        self.codes = Counter[int]()
        self.seconds: list[float] = []  # true, which are virtual
        self._pods = [self.world.pods[number % pods] for number in range(senders)]
        self.world.loop.run(self._blow(), steps=1_000_000)

    async def _blow(self) -> None:
        await self._post(self._pods[0])
        await asyncio.gather(*(self._keep_sending(pod) for pod in self._pods))

    async def _keep_sending(self, pod: Pod) -> None:
        for _ in range(EACH_SENDS):
            await self._post(pod)

    async def _post(self, pod: Pod) -> None:
        sent = webhook((ALERTS[0], TARGET))
        begun = self.world.loop.true_time
        given = await pod.post(sent.body, sent.fingerprints)
        self.seconds.append(self.world.loop.true_time - begun)
        self.codes[given.status] += 1

    @property
    def count(self) -> int:
        (rr,) = self.world.etcd.objects("remediationrequests")
        return int(rr["status"]["deduplication"]["occurrenceCount"])


def _calm(*, pods: int, seed: int) -> Scenario:
    return Scenario(
        seed=seed,
        world="fenced",
        reads="fenced",
        pods=pods,
        replicas=1,
        lags=(0.0,),
        replica_offsets=(0.0,),
        clock_offset=0.0,
        clock_drift=0.0,
        targets=(TARGET,),
        fault_rate=0.0,
        latency=CALL_SECONDS,
        group_interval=5.0,
        defaults=True,
        jumping=False,
        cooldown=0.0,
        resolves=False,
        first_count="implied",
        events=(),
        stops=(),
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("pods", "senders"), [(1, 16), (2, 16), (4, 16), (10, 50)])
def test_instances_that_write_to_one_rr_all_get_their_turn(pods: int, senders: int, seed: int):
    storm = Storm(pods=pods, senders=senders, seed=seed)
    assert storm.world.judge.violation == ""
    assert storm.codes == {201: 1, 202: senders * EACH_SENDS}
    assert storm.count == senders * EACH_SENDS + 1
    assert percentile(storm.seconds, 0.99) < 5 * percentile(storm.seconds, 0.5)
