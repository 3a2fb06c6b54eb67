"""From a batch to one result per entry: grouped, in order, counted once, stored once."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from core.common.clock import MockClock
from core.common.resilience import STEPS_IN_A_ROW, Deadline
from core.errors import DeadlineExceededError
from core.metrics import Metrics
from core.pipeline import GROUPS_AT_ONCE, REMEMBERED_DELIVERY_SECONDS, EarlierDeliveries, Judgement, Pipeline
from core.reporting import COUNTED_LINES, LINES_OF_A_KIND, NOTICE_SECONDS, REMEMBERED_NOTICES, Notices, Reporter
from core.results import SignalResult, Status
from core.signals.signal import Batch, Entry, Ignored, NormalizedSignal, Poison
from core.workloads.clusters import Clusters
from core.workloads.kinds import Kinds
from core.workloads.qualification import OwnDoing, Qualification
from tests.support.instances import fingerprint, signal


class Joined:
    """Stands in for the rounds: writes down the groups, and gives each workload the outcome it was told."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.outcomes: dict[str, Status | Exception] = {}
        self.most_at_once = 0
        self._now = 0

    async def join(self, signals: Sequence[NormalizedSignal], *, deadline: Deadline) -> list[SignalResult]:
        assert len({signal.fingerprint for signal in signals}) == 1
        assert deadline.remaining() == 8.0
        self.groups.append([signal.target.name for signal in signals])
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await asyncio.sleep(0)
        self._now -= 1
        status = self.outcomes.get(signals[0].target.name, Status.CREATED)
        if isinstance(status, Exception):
            raise status
        return [self._result(signal, status, index) for index, signal in enumerate(signals)]

    def _result(self, signal: NormalizedSignal, status: Status, index: int) -> SignalResult:
        if status is Status.CREATED and index:
            status = Status.DEDUPLICATED
        error = "" if status in (Status.CREATED, Status.DEDUPLICATED) else f"{signal.target.name} was {status}"
        return SignalResult(
            status=status, fingerprint=signal.fingerprint, rr_name=f"rr-{signal.target.name}", error=error
        )


class Processing:
    """A pipeline over such rounds."""

    def __init__(self, judgement: Judgement | None = None) -> None:
        self.rounds = Joined()
        self.clock = MockClock(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
        self.registry = CollectorRegistry()
        rounds: Any = self.rounds
        self.pipeline = Pipeline(
            qualification=Qualification(
                own=OwnDoing(group="remediation.kubernaut.ai", namespaces=()),
                kinds=Kinds(client=None, clock=self.clock),
                finder=None,
                owners=None,
                scope=None,
                silence=None,
                clusters=Clusters(own=""),
                max_concurrent=100,
            ),
            judgement=judgement or Judgement(),
            rounds=rounds,
            earlier_deliveries=EarlierDeliveries(clock=self.clock, capacity=100),
            reporter=Reporter(
                metrics=Metrics(registry=self.registry),
                logger=logging.getLogger("pipeline.test"),
                notices=Notices(clock=self.clock),
                clock=self.clock,
            ),
        )

    async def process(self, *entries: Entry, digest: bytes = b"body", **more: Any) -> list[SignalResult]:
        batch = Batch(entries, "alertmanager", **more)
        return await self.pipeline.process(batch, digest=digest, deadline=Deadline(clock=self.clock, seconds=8.0))

    def fail(self, *workloads: str) -> None:
        """Let these fail, and all others succeed."""
        self.rounds.groups.clear()
        self.rounds.outcomes = dict.fromkeys(workloads, Status.FAILED)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def processing():
    return Processing()


def statuses(results: Sequence[SignalResult]) -> list[str]:
    return [result.status.value for result in results]


async def test_empty_batch_has_no_results(processing):
    assert await processing.process() == []
    assert processing.rounds.groups == []


async def test_signals_are_grouped_by_fingerprint_and_results_keep_the_payloads_order(processing):
    results = await processing.process(signal("a"), signal("b"), signal("a"), signal("c"), signal("b"))
    assert processing.rounds.groups == [["a", "a"], ["b", "b"], ["c"]]
    assert [result.rr_name for result in results] == ["rr-a", "rr-b", "rr-a", "rr-c", "rr-b"]
    assert statuses(results) == ["created", "created", "deduplicated", "created", "deduplicated"]


async def test_groups_run_side_by_side(processing):
    await processing.process(*(signal(f"pod-{number}") for number in range(20)))
    assert processing.rounds.most_at_once == 20


class TestResolved:
    @pytest.fixture
    def processing(self):
        return Processing(Judgement(tells_resolved=True))

    @staticmethod
    def ended(name: str) -> Ignored:
        return Ignored("resolved", ended=replace(signal(name), resolved=True))

    async def test_resolved_alerts_join_the_round_of_their_problem_in_order(self, processing):
        results = await processing.process(signal("a"), self.ended("a"), self.ended("b"), Ignored("resolved"))
        assert processing.rounds.groups == [["a", "a"], ["b"]]
        assert statuses(results)[0] == "created"

    async def test_they_join_nothing_where_nobody_is_to_be_told(self):
        quiet = Processing()
        results = await quiet.process(self.ended("a"))
        assert (quiet.rounds.groups, statuses(results)) == ([], ["ignored"])

    async def test_telling_that_fails_makes_the_webhook_come_again(self, processing, caplog):
        processing.fail("a")
        caplog.set_level(logging.DEBUG)
        assert statuses(await processing.process(self.ended("a"))) == ["failed"]
        (line,) = caplog.records
        assert (line.levelname, line.status) == ("ERROR", "failed")
        assert processing.metric("gateway_signals_failed_total", source_type="prometheus-alert") == 1

    async def test_they_are_not_counted_as_received(self, processing):
        await processing.process(self.ended("a"))
        assert (
            processing.metric("gateway_signals_received_total", source_type="prometheus-alert", severity="critical")
            == 0
        )


async def test_what_asks_for_nothing_is_ignored_in_its_place(processing):
    results = await processing.process(Ignored("resolved"), signal("a"), Ignored("resolved"))
    assert statuses(results) == ["ignored", "created", "ignored"]
    assert processing.metric("gateway_signals_rejected_total", reason="resolved") == 0


async def test_poison_stands_in_its_place_counted_and_logged_and_blocks_nobody(processing, caplog):
    labels = {"alertname": "KubePodCrashLooping", "pod": "web-1", "long": "x" * 1000}
    poison = Poison("malformed_alert", "alerts[1].labels is 7", labels)
    results = await processing.process(signal("a"), poison, signal("b"))
    assert statuses(results) == ["created", "invalid", "created"]
    assert results[1] == SignalResult(status=Status.INVALID, reason="malformed_alert", error="alerts[1].labels is 7")
    assert processing.metric("gateway_signals_rejected_total", reason="malformed_alert") == 1
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("WARNING", poison.message)
    assert (vars(record)["reason"], vars(record)["source"]) == ("malformed_alert", "alertmanager")
    assert vars(record)["alertname"] == "KubePodCrashLooping"
    assert vars(record)["labels"]["pod"] == "web-1"
    assert len(vars(record)["labels"]["long"]) < 110


async def test_poison_with_a_percent_sign_is_logged_as_it_is(processing, caplog):
    await processing.process(Poison("no_target", "label pod='100%s' is no name"))
    assert caplog.records[0].getMessage() == "label pod='100%s' is no name"


async def test_alerts_that_the_sender_cut_off_are_counted_and_warned_of(processing, caplog):
    await processing.process(signal("a"), truncated=7)
    assert processing.metric("gateway_signals_parse_dropped_total", reason="truncated") == 7
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "7 alerts were cut off by the sender and are lost to us; set max_alerts: 0 in its webhook_config"
    )
    assert vars(record)["truncated"] == 7


async def test_warnings_of_the_adapter_are_logged(processing, caplog):
    await processing.process(warnings=["webhook version is '5', not '4'", "100 % sure"])
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "webhook version is '5', not '4'"),
        ("WARNING", "100 % sure"),
    ]


async def test_every_signal_is_counted_by_type_and_severity_whatever_becomes_of_it(processing):
    processing.rounds.outcomes = {"b": Status.FAILED, "c": Status.INVALID}
    await processing.process(
        signal("a"),
        signal("a"),
        signal("b"),
        replace(signal("c"), severity="warning"),
        Ignored("resolved"),
        Poison("no_target", "no target"),
    )
    name = "gateway_signals_received_total"
    assert processing.metric(name, source_type="prometheus-alert", severity="critical") == 3
    assert processing.metric(name, source_type="prometheus-alert", severity="warning") == 1
    assert processing.metric("gateway_signals_deduplicated_total", signal_name="HighMemoryUsage") == 1


async def test_signal_that_the_api_server_calls_invalid_is_rejected_and_logged(processing, caplog):
    processing.rounds.outcomes = {"a": Status.INVALID}
    await processing.process(signal("a"), signal("b"))
    assert processing.metric("gateway_signals_rejected_total", reason="refused_by_api") == 1
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("ERROR", "a was invalid")
    assert (vars(record)["fingerprint"], vars(record)["status"]) == (fingerprint("a"), "invalid")


@pytest.mark.parametrize("status", [Status.INVALID, Status.FAILED, Status.REJECTED, Status.IGNORED])
async def test_line_of_each_outcome_says_which_alert_what_of_it_and_how_long(processing, caplog, status):
    caplog.set_level(logging.INFO)
    processing.rounds.outcomes = {"a": status}
    await processing.process(replace(signal("a"), found_by="pod (names a Pod)"))
    (record,) = caplog.records
    told = {
        key: vars(record)[key]
        for key in ("outcome", "fingerprint", "alertname", "target", "found_by", "duration_seconds", "labels")
    }
    assert told == {
        "outcome": status,
        "fingerprint": fingerprint("a"),
        "alertname": "HighMemoryUsage",
        "target": "prod/Pod/a",
        "found_by": "pod (names a Pod)",
        "duration_seconds": 0.0,
        "labels": {"alertname": "HighMemoryUsage"},
    }


async def test_failed_signal_is_logged_and_not_rejected(processing, caplog):
    processing.fail("a")
    await processing.process(signal("a"))
    assert processing.metric("gateway_signals_rejected_total", reason="refused_by_api") == 0
    assert processing.metric("gateway_signals_failed_total", source_type="prometheus-alert") == 1
    assert [record.getMessage() for record in caplog.records] == ["a was failed"]


async def test_counted_signal_is_one_line_with_its_rr_and_target(processing, caplog):
    caplog.set_level(logging.INFO)
    await processing.process(signal("a"), replace(signal("a"), found_by="pod (names a Pod)"))
    (record,) = caplog.records  # the first made the RR: whoever creates one tells of it
    assert (record.levelname, record.getMessage()) == ("INFO", "counted on RR rr-a")
    told = {key: vars(record)[key] for key in ("remediation_request", "alertname", "target", "found_by", "outcome")}
    assert told == {
        "remediation_request": "rr-a",
        "alertname": "HighMemoryUsage",
        "target": "prod/Pod/a",
        "found_by": "pod (names a Pod)",
        "outcome": "deduplicated",
    }
    assert vars(record)["fingerprint"] == fingerprint("a")
    assert vars(record)["duration_seconds"] == 0.0


async def test_many_counted_signals_are_a_few_lines_and_their_sum(processing, caplog):
    caplog.set_level(logging.INFO)
    await processing.process(*[signal("a")] * 100, Ignored("resolved"))
    assert caplog.messages == [
        *["counted on RR rr-a"] * COUNTED_LINES,
        f"{99 - COUNTED_LINES} more alerts of this body are deduplicated in the same way",
        "101 alerts of one body: 99 deduplicated, 1 created, 1 ignored",
    ]
    assert vars(caplog.records[-1])["outcomes"] == {"deduplicated": 99, "created": 1, "ignored": 1}


async def test_bug_in_a_round_is_passed_on(processing):
    processing.rounds.outcomes = {"b": KeyError("a bug")}
    with pytest.raises(KeyError, match="a bug"):
        await processing.process(signal("a"), signal("b"), signal("c"))


def no_target(name: str = "Watchdog") -> Ignored:
    return Ignored("no_target", "no label names a target", signal_name=name)


class TestIgnored:
    async def test_reason_is_in_the_result_and_counted_each_time(self, processing):
        results = await processing.process(no_target(), Ignored("resolved"), no_target())
        assert [(result.status, result.reason) for result in results] == [
            (Status.IGNORED, "no_target"),
            (Status.IGNORED, "resolved"),
            (Status.IGNORED, "no_target"),
        ]
        assert processing.metric("gateway_signals_ignored_total", reason="no_target") == 2

    async def test_logged_once_for_each_name_and_hour(self, processing, caplog):
        caplog.set_level(logging.INFO)
        for _ in range(3):
            await processing.process(no_target(), no_target("InfoInhibitor"), no_target())
        assert [vars(record)["alertname"] for record in caplog.records] == ["Watchdog", "InfoInhibitor"]
        assert "alerts named 'Watchdog' are ignored: no label names a target" in caplog.messages[0]
        processing.clock.advance(timedelta(seconds=NOTICE_SECONDS))
        await processing.process(no_target())
        assert len(caplog.records) == 3

    async def test_resolved_ones_are_logged_for_who_debugs_alone(self, processing, caplog):
        caplog.set_level(logging.DEBUG)
        await processing.process(Ignored("resolved"))
        (record,) = caplog.records
        assert (record.levelname, record.getMessage()) == ("DEBUG", "ignored: resolved")

    async def test_names_without_end_fill_neither_log_nor_memory(self, processing, caplog):
        caplog.set_level(logging.INFO)
        await processing.process(*(no_target(f"alert-{number}") for number in range(3 * REMEMBERED_NOTICES)))
        assert len(caplog.records) == REMEMBERED_NOTICES + 1  # and the batch's sum
        processing.clock.advance(timedelta(seconds=NOTICE_SECONDS))
        await processing.process(no_target("another"))
        assert len(caplog.records) == REMEMBERED_NOTICES + 2


class TestManyAlerts:
    @pytest.mark.parametrize("status", [Status.INVALID, Status.FAILED, Status.REJECTED])
    async def test_lines_alike_are_few_and_the_last_one_says_how_many_more(self, processing, caplog, status):
        caplog.set_level(logging.INFO)
        signals = [signal(f"pod-{number}") for number in range(1000)]
        processing.rounds.outcomes = {signal.target.name: status for signal in signals}
        await processing.process(*signals)
        assert len(caplog.records) == LINES_OF_A_KIND + 2
        assert caplog.messages[-1] == f"1000 alerts of one body: 1000 {status}"
        assert caplog.messages[-2] == f"{1000 - LINES_OF_A_KIND} more alerts of this body are {status} in the same way"
        assert vars(caplog.records[0])["alertname"] == "HighMemoryUsage"
        assert vars(caplog.records[0])["labels"] == signals[0].labels

    async def test_poison_alike_is_logged_a_few_times_and_counted_each_time(self, processing, caplog):
        await processing.process(*(Poison("malformed_alert", f"alerts[{index}] is 0") for index in range(1000)))
        assert len(caplog.records) == LINES_OF_A_KIND + 1
        assert processing.metric("gateway_signals_rejected_total", reason="malformed_alert") == 1000

    @pytest.mark.parametrize(
        "entries",
        [
            [Poison("malformed_alert", "alerts[0] is 0")] * 1000,
            [Ignored("resolved")] * 1000,
            [signal("a")] * 1000,
            [signal(f"pod-{number}") for number in range(1000)],
        ],
        ids=["poison", "resolved", "one problem", "many problems"],
    )
    async def test_others_get_their_turn_all_along(self, processing, entries):
        turns = 0

        async def other_requests() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(other_requests())
        await processing.process(*entries)
        other.cancel()
        assert turns >= 2 * 1000 / STEPS_IN_A_ROW

    async def test_groups_side_by_side_are_bounded(self, processing):
        results = await processing.process(*(signal(f"pod-{number}") for number in range(3 * GROUPS_AT_ONCE)))
        assert processing.rounds.most_at_once == GROUPS_AT_ONCE
        assert [result.rr_name for result in results] == [f"rr-pod-{number}" for number in range(3 * GROUPS_AT_ONCE)]

    async def test_nothing_is_stored_where_the_time_is_over_before_all_is_read(self, processing):
        def entries() -> Iterator[Entry]:
            for number in range(1000):
                processing.clock.advance(timedelta(seconds=0.1))
                yield signal(f"pod-{number}")

        slow: Any = entries()
        batch = Batch(slow, "alertmanager")
        with pytest.raises(DeadlineExceededError):
            await processing.pipeline.process(batch, digest=b"", deadline=Deadline(clock=processing.clock, seconds=8.0))
        assert processing.rounds.groups == []


class TestSameBodyAgain:
    async def test_stores_only_what_was_not_stored_the_first_time(self, processing):
        processing.fail("b")
        body = signal("a"), signal("b"), signal("a"), signal("c")
        assert statuses(await processing.process(*body)) == ["created", "failed", "deduplicated", "created"]
        processing.fail()
        results = await processing.process(*body)
        assert processing.rounds.groups == [["b"]]
        assert statuses(results) == ["created", "created", "deduplicated", "created"]
        assert [result.rr_name for result in results] == ["rr-a", "rr-b", "rr-a", "rr-c"]

    async def test_takes_what_was_stored_once(self, processing):
        processing.fail("b")
        await processing.process(signal("a"), signal("b"))
        processing.fail()
        await processing.process(signal("a"), signal("b"))
        processing.fail()
        await processing.process(signal("a"), signal("b"))
        assert processing.rounds.groups == [["a"], ["b"]]

    async def test_keeps_what_was_stored_while_something_still_fails(self, processing):
        body = signal("a"), signal("b"), signal("c")
        processing.fail("b", "c")
        await processing.process(*body)
        processing.fail("c")
        await processing.process(*body)
        assert processing.rounds.groups == [["b"], ["c"]]
        processing.fail()
        assert statuses(await processing.process(*body)) == ["created"] * 3
        assert processing.rounds.groups == [["c"]]

    async def test_that_was_acknowledged_counts_as_new_occurrences(self, processing):
        await processing.process(signal("a"))
        await processing.process(signal("a"))
        assert processing.rounds.groups == [["a"], ["a"]]

    async def test_after_a_long_time_is_not_remembered(self, processing):
        processing.fail("b")
        await processing.process(signal("a"), signal("b"))
        processing.clock.advance(timedelta(seconds=REMEMBERED_DELIVERY_SECONDS + 1))
        processing.fail()
        await processing.process(signal("a"), signal("b"))
        assert processing.rounds.groups == [["a"], ["b"]]

    async def test_other_body_has_none(self, processing):
        processing.fail("b")
        await processing.process(signal("a"), signal("b"))
        processing.fail()
        await processing.process(signal("a"), signal("b"), digest=b"other")
        assert processing.rounds.groups == [["a"], ["b"]]

    async def test_group_that_was_stored_in_part_is_not_remembered(self, processing):
        processing.rounds.outcomes = {"a": Status.INVALID, "b": Status.FAILED}
        await processing.process(signal("a"), signal("b"))
        processing.fail()
        await processing.process(signal("a"), signal("b"))
        assert processing.rounds.groups == [["a"], ["b"]]

    async def test_with_another_number_of_alerts_in_a_group_is_not_remembered_for_it(self, processing):
        """Only a digest that collides could do this; then a count too many is better than a lost alert."""
        processing.fail("b")
        await processing.process(signal("a"), signal("b"))
        processing.fail()
        results = await processing.process(signal("a"), signal("a"), signal("b"))
        assert processing.rounds.groups == [["a", "a"], ["b"]]
        assert len(results) == 3
