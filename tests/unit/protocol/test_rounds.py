"""Signals of one fingerprint share rounds; rounds of different ones run side by side, bounded."""

import asyncio
from collections.abc import Sequence

import pytest

from core.common.resilience import Deadline
from core.protocol.recorder import PAUSE_AFTER_CONFLICT, Rounds
from core.results import Recorded, SignalResult, Status
from core.signals.signal import NormalizedSignal
from tests.support.instances import fingerprint, signal
from tests.support.loop_clock import LoopClock

pytestmark = pytest.mark.looptime

ROUND_SECONDS = 1.0


class Recorder:
    """Takes a second for each round, and writes down what it was given."""

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []
        self.begun: asyncio.Queue[int] = asyncio.Queue()
        self.deadlines: list[float] = []
        self.running = 0
        self.most_running = 0
        self.finished = 0
        self.bugs: list[Exception] = []
        self.contended: list[int] = []  # numbers of the rounds that met another instance

    async def __call__(self, signals: Sequence[NormalizedSignal], *, deadline: Deadline) -> Recorded:
        self.rounds.append([signal.signal_name for signal in signals])
        self.begun.put_nowait(len(self.rounds))
        self.deadlines.append(deadline.remaining())
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(ROUND_SECONDS)
        finally:
            self.running -= 1
        if self.bugs:
            raise self.bugs.pop()
        self.finished += 1
        number = len(self.rounds)
        results = [
            SignalResult(
                status=Status.CREATED, fingerprint=signal.fingerprint, rr_name=f"{signal.signal_name}@{number}"
            )
            for signal in signals
        ]
        return Recorded(results, contended=number in self.contended)


class Instance:
    """Rounds over a recorder."""

    def __init__(self, *, max_concurrent: int = 100) -> None:
        self.record = Recorder()
        self.rounds = Rounds(record=self.record, max_concurrent=max_concurrent, clock=LoopClock(), random=lambda: 0.5)

    async def join(self, *names: str, of: str = "web", seconds: float = 8.0) -> list[str]:
        """Send alerts called `names` on workload `of`; returns what became of each."""
        results = await self.rounds.join(
            [alert(name, of) for name in names], deadline=Deadline(clock=LoopClock(), seconds=seconds)
        )
        return [result.rr_name or result.status for result in results]

    def joining(self, *names: str, of: str = "web", seconds: float = 8.0) -> "asyncio.Task[list[str]]":
        return asyncio.create_task(self.join(*names, of=of, seconds=seconds))


async def outcomes(*senders: "asyncio.Task[list[str]]") -> list[list[str]]:
    return list(await asyncio.gather(*senders))


def alert(name: str, workload: str) -> NormalizedSignal:
    plain = signal(workload)
    values = {field: getattr(plain, field) for field in plain.__dataclass_fields__}
    return NormalizedSignal(**values | {"signal_name": name})


@pytest.fixture
async def instance():
    instance = Instance()
    yield instance
    await instance.rounds.drain()
    assert instance.rounds._waiting == {}


async def test_lone_signal_gets_a_round_of_its_own(instance):
    assert await instance.join("a") == ["a@1"]
    assert instance.record.rounds == [["a"]]


async def test_signals_that_come_together_share_a_round_and_keep_their_order(instance):
    assert await instance.join("a", "b", "c") == ["a@1", "b@1", "c@1"]


async def test_signals_that_arrive_while_a_round_is_in_flight_share_the_next_one(instance):
    first = instance.joining("a")
    await asyncio.sleep(0.1)
    later = [instance.joining(name) for name in ("b", "c", "d")]
    assert await first == ["a@1"]
    assert [await each for each in later] == [["b@2"], ["c@2"], ["d@2"]]
    assert instance.record.rounds == [["a"], ["b", "c", "d"]]


async def test_each_sender_gets_the_results_of_its_own_signals(instance):
    first = instance.joining("a", "b")
    await asyncio.sleep(0.1)
    second, third = instance.joining("c"), instance.joining("d", "e")
    assert await outcomes(first, second, third) == [["a@1", "b@1"], ["c@2"], ["d@2", "e@2"]]


async def test_storm_of_a_hundred_costs_two_rounds(instance):
    storm = [instance.joining("0")]
    await asyncio.sleep(0.1)
    storm += [instance.joining(f"{number}") for number in range(1, 100)]
    await asyncio.gather(*storm)
    assert [len(names) for names in instance.record.rounds] == [1, 99]


async def test_round_after_the_last_one_ended_starts_at_once(instance):
    await instance.join("a")
    start = asyncio.get_running_loop().time()
    assert await instance.join("b") == ["b@2"]
    assert asyncio.get_running_loop().time() - start == pytest.approx(ROUND_SECONDS)


async def test_different_fingerprints_run_side_by_side(instance):
    start = asyncio.get_running_loop().time()
    await asyncio.gather(*(instance.join("a", of=f"pod-{number}") for number in range(50)))
    assert asyncio.get_running_loop().time() - start == pytest.approx(ROUND_SECONDS)
    assert instance.record.most_running == 50


async def test_no_more_rounds_run_at_once_than_allowed():
    instance = Instance(max_concurrent=3)
    start = asyncio.get_running_loop().time()
    await asyncio.gather(*(instance.join("a", of=f"pod-{number}") for number in range(10)))
    assert asyncio.get_running_loop().time() - start == pytest.approx(4 * ROUND_SECONDS)
    assert instance.record.most_running == 3


async def test_signals_that_arrive_while_their_round_waits_for_a_slot_still_join_it():
    instance = Instance(max_concurrent=1)
    blocking = instance.joining("x", of="other")
    await asyncio.sleep(0.1)
    first = instance.joining("a")
    await asyncio.sleep(0.1)
    second = instance.joining("b")
    assert await outcomes(blocking, first, second) == [["x@1"], ["a@2"], ["b@2"]]
    assert instance.record.rounds == [["x"], ["a", "b"]]


async def test_one_fingerprint_in_a_storm_does_not_keep_the_others_from_their_turn():
    instance = Instance(max_concurrent=1)
    tasks = [instance.joining("a0")]
    await asyncio.sleep(0.1)
    tasks += [instance.joining("b", of="other"), instance.joining("a1")]
    await asyncio.gather(*tasks)
    assert instance.record.rounds == [["a0"], ["b"], ["a1"]]


async def test_deadline_answers_the_sender_while_the_round_goes_on(instance):
    (outcome,) = await instance.join("a", seconds=0.5)
    assert outcome == Status.FAILED
    assert instance.record.finished == 0
    await instance.rounds.drain()
    assert instance.record.finished == 1


async def test_passed_deadline_tells_each_alert_to_come_again(instance):
    results = await instance.rounds.join(
        [alert("a", "web"), alert("b", "web")], deadline=Deadline(clock=LoopClock(), seconds=0.5)
    )
    assert [result.status for result in results] == [Status.FAILED] * 2
    assert [result.fingerprint for result in results] == [fingerprint()] * 2
    assert {result.error for result in results} == {
        "the request's time ended before the API server had stored this alert"
    }
    assert all(result.retry_after > 0 for result in results)


async def test_deadline_of_one_sender_does_not_end_the_wait_of_another(instance):
    patient = instance.joining("a", seconds=8)
    await asyncio.sleep(0.1)
    hurried, also_patient = instance.joining("b", seconds=1.2), instance.joining("c", seconds=8)
    assert await outcomes(patient, hurried, also_patient) == [["a@1"], [Status.FAILED], ["c@2"]]
    assert instance.record.rounds == [["a"], ["b", "c"]]


async def test_round_has_the_time_of_its_most_patient_sender(instance):
    first = instance.joining("a", seconds=5)
    await asyncio.sleep(0)
    later = [instance.joining("b", seconds=2), instance.joining("c", seconds=8), instance.joining("d", seconds=3)]
    await asyncio.gather(first, *later)
    assert instance.record.deadlines == pytest.approx([5, 8 - ROUND_SECONDS])


async def test_sender_that_gave_up_before_its_round_is_not_recorded(instance):
    first = instance.joining("a")
    await asyncio.sleep(0.1)
    gone, here = instance.joining("b", seconds=0.5), instance.joining("c")
    assert await outcomes(first, gone, here) == [["a@1"], [Status.FAILED], ["c@2"]]
    assert instance.record.rounds == [["a"], ["c"]]


async def test_round_whose_senders_all_gave_up_is_not_made(instance):
    first = instance.joining("a")
    await asyncio.sleep(0.1)
    assert await instance.join("b", seconds=0.5) == [Status.FAILED]
    await first
    await instance.rounds.drain()
    assert instance.record.rounds == [["a"]]


async def test_cancelled_sender_harms_nobody(instance):
    first = instance.joining("a")
    await asyncio.sleep(0.1)
    second, third = instance.joining("b"), instance.joining("c")
    await asyncio.sleep(0.1)
    first.cancel()
    second.cancel()
    assert await third == ["c@2"]
    assert first.cancelled()
    assert second.cancelled()
    assert instance.record.rounds == [["a"], ["c"]]


async def test_bug_reaches_every_sender_of_the_round_and_no_other(instance):
    instance.record.bugs = [KeyError("a bug")]
    together = [instance.joining("a"), instance.joining("b")]
    raised = await asyncio.gather(*together, return_exceptions=True)
    assert instance.record.rounds[0] == ["a", "b"]
    assert [repr(error) for error in raised] == ["KeyError('a bug')"] * 2
    assert await instance.join("c") == ["c@2"]


async def test_bug_does_not_stop_the_round_that_waits_behind_it(instance):
    instance.record.bugs = [KeyError("a bug")]
    first = instance.joining("a")
    await asyncio.sleep(0.1)
    second = instance.joining("b")
    with pytest.raises(KeyError):
        await first
    assert await second == ["b@2"]


async def test_bug_after_the_sender_gave_up_is_nobodys(instance):
    instance.record.bugs = [KeyError("a bug")]
    assert await instance.join("a", seconds=0.5) == [Status.FAILED]


async def test_draining_waits_for_all_rounds_also_those_that_start_meanwhile(instance):
    tasks = [instance.joining("a"), instance.joining("x", of="other")]
    await asyncio.sleep(0.1)
    tasks.append(instance.joining("b"))
    await asyncio.sleep(0)
    await instance.rounds.drain()
    assert instance.record.finished == 3
    await asyncio.gather(*tasks)


async def test_draining_nothing_returns_at_once(instance):
    await instance.rounds.drain()
    assert instance.record.rounds == []


class TestRest:
    """After a round that met another instance."""

    async def rounds_in_a_row(self, instance: Instance, number: int) -> float:
        """Make so many rounds, each with a signal that came while the one before was in flight; return the seconds."""
        start = asyncio.get_running_loop().time()
        sent = []
        for index in range(number):
            sent.append(instance.joining(str(index)))
            await instance.record.begun.get()
        await asyncio.gather(*sent)
        return asyncio.get_running_loop().time() - start

    async def test_next_round_waits_while_another_instance_may_write(self, instance: Instance):
        instance.record.contended = [1]
        seconds = await self.rounds_in_a_row(instance, 2)
        assert seconds == pytest.approx(2 * ROUND_SECONDS + PAUSE_AFTER_CONFLICT.duration)

    async def test_those_who_sent_the_round_are_answered_before_it_rests(self, instance: Instance):
        instance.record.contended = [1]
        start = asyncio.get_running_loop().time()
        await instance.join("a")
        assert asyncio.get_running_loop().time() - start == pytest.approx(ROUND_SECONDS)

    async def test_signals_that_arrive_in_a_rest_share_the_next_round(self, instance: Instance):
        instance.record.contended = [1]
        await instance.join("a")
        await asyncio.sleep(PAUSE_AFTER_CONFLICT.duration / 4)
        later = [instance.joining(name) for name in ("b", "c")]
        await asyncio.gather(*later)
        assert instance.record.rounds == [["a"], ["b", "c"]]

    async def test_rests_end_when_the_other_instance_is_met_no_more(self, instance: Instance):
        instance.record.contended = [1]
        seconds = await self.rounds_in_a_row(instance, 6)
        assert seconds == pytest.approx(6 * ROUND_SECONDS + PAUSE_AFTER_CONFLICT.steps * PAUSE_AFTER_CONFLICT.duration)

    async def test_rests_go_on_while_the_other_instance_is_met(self, instance: Instance):
        instance.record.contended = [1, 3]
        seconds = await self.rounds_in_a_row(instance, 7)
        assert seconds == pytest.approx(
            7 * ROUND_SECONDS + (2 + PAUSE_AFTER_CONFLICT.steps) * PAUSE_AFTER_CONFLICT.duration
        )

    async def test_nobody_rests_alone(self, instance: Instance):
        assert await self.rounds_in_a_row(instance, 4) == pytest.approx(4 * ROUND_SECONDS)

    async def test_rest_of_one_fingerprint_takes_no_turn_from_another(self):
        instance = Instance(max_concurrent=1)
        instance.record.contended = [1]
        first, other = instance.joining("a"), instance.joining("x", of="other")
        start = asyncio.get_running_loop().time()
        await asyncio.gather(first, other)
        assert asyncio.get_running_loop().time() - start == pytest.approx(2 * ROUND_SECONDS)
        await instance.rounds.drain()
