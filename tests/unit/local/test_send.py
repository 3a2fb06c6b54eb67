"""What `sluice send` reads, how fast it sends, and what it tells."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from core.common.clock import MockClock
from core.local.send import Sending, SendPlan, latency_summary, read_webhooks
from core.local.shell import CommandError
from core.local.web import HttpAnswer, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ALERT = {"labels": {"alertname": "A", "namespace": "ns", "pod": "web-1"}}
WEBHOOK = {"version": "4", "groupKey": "g", "status": "firing", "alerts": [ALERT, ALERT]}


def read(*sources: Any, stdin: str = "") -> list[Any]:
    return read_webhooks([str(source) for source in sources], stdin=io.StringIO(stdin))


class TestReading:
    def test_webhook_is_sent_as_it_is(self, tmp_path: Path):
        (tmp_path / "a.json").write_text(json.dumps(WEBHOOK))
        assert read(tmp_path / "a.json") == [WEBHOOK]

    @pytest.mark.parametrize(
        ("text", "number"),
        [
            (json.dumps(ALERT), 1),
            (json.dumps([ALERT, WEBHOOK]), 2),
            (f"{json.dumps(ALERT)}\n\n{json.dumps(WEBHOOK)}\n", 2),
        ],
    )
    def test_alerts_lists_and_lines_become_webhooks(self, text: str, number: int):
        webhooks = read("-", stdin=text)
        assert len(webhooks) == number
        assert webhooks[0]["alerts"] == [{"status": "firing"} | ALERT]

    def test_folder_is_its_json_files_by_name(self, tmp_path: Path):
        for name in ("b.json", "a.json", "c.txt"):
            (tmp_path / name).write_text(json.dumps(WEBHOOK | {"groupKey": name}))
        assert [each["groupKey"] for each in read(tmp_path)] == ["a.json", "b.json"]

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("{", "standard input is no JSON: "),
            ("{\n{", "standard input is no JSON: "),
            ("7", "standard input holds neither an Alertmanager webhook"),
            ('{"alerts": 7}', "standard input holds neither an Alertmanager webhook"),
        ],
    )
    def test_anything_else_is_refused_with_its_place(self, text: str, sentence: str):
        with pytest.raises(CommandError, match=sentence) as refused:
            read("-", stdin=text)
        assert refused.value.exit_code == 2

    def test_file_that_is_not_there_and_empty_folder_are_told(self, tmp_path: Path):
        with pytest.raises(CommandError, match="cannot be read"):
            read(tmp_path / "none.json")
        with pytest.raises(CommandError, match=r"holds no \.json file"):
            read(tmp_path)


class Gateway:
    """Answers each post with the next of some answers, the last one for ever, after `seconds`."""

    def __init__(self, clock: MockClock, *answers: HttpAnswer | UnansweredError, seconds: float = 0.0) -> None:
        self._clock = clock
        self._answers = list(answers)
        self._seconds = seconds
        self.moments: list[float] = []

    async def post(self, body: bytes) -> HttpAnswer:
        self.moments.append(self._clock.monotonic())
        await self._clock.sleep(self._seconds)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, UnansweredError):
            raise answer
        return answer


def stored(*names: str) -> HttpAnswer:
    results = [{"status": "created", "remediationRequestName": name} for name in names]
    return HttpAnswer(201, json.dumps({"results": results}).encode())


async def send(gateway: Gateway, clock: MockClock, **plan: Any) -> tuple[bool, str]:
    out = io.StringIO()
    post: Callable[[bytes], Awaitable[HttpAnswer]] = gateway.post
    sending = Sending(
        url="http://127.0.0.1:1",
        console=Console(file=out, width=200),
        clock=clock,
        plan=SendPlan(**plan),
        post=post,
    )
    return await sending.send([WEBHOOK]), out.getvalue()


@pytest.fixture
def clock() -> MockClock:
    return MockClock(datetime(2026, 1, 2, tzinfo=UTC))


class TestSending:
    async def test_summary_counts_alerts_answers_and_remediation_requests(self, clock: MockClock):
        done, text = await send(Gateway(clock, stored("rr-1", "rr-2")), clock, repeat=3, concurrency=1)
        assert done
        assert "answers: 3 x 201" in text
        assert "alerts: 6 created; 2 remediation requests" in text
        assert "latency: p50 0 ms, p95 0 ms, p99 0 ms, max 0 ms" in text

    async def test_rate_spreads_the_posts(self, clock: MockClock):
        gateway = Gateway(clock, stored("rr-1", "rr-1"))
        await send(gateway, clock, repeat=4, rate=2.0, concurrency=1)
        assert gateway.moments == [0.0, 0.5, 1.0, 1.5]

    async def test_slow_answers_do_not_make_the_next_posts_crowd(self, clock: MockClock):
        gateway = Gateway(clock, stored("rr-1", "rr-1"), seconds=3.0)
        await send(gateway, clock, repeat=3, rate=2.0, concurrency=1)
        assert gateway.moments == [0.0, 3.0, 6.0]

    async def test_waiting_for_the_turn_is_no_latency(self, clock: MockClock):
        _, text = await send(Gateway(clock, stored("rr-1", "rr-1")), clock, repeat=2, rate=0.1, concurrency=1)
        assert "max 0 ms" in text

    async def test_503_is_tried_again(self, clock: MockClock):
        gateway = Gateway(clock, HttpAnswer(503, b"{}"), UnansweredError("reset"), stored("rr-1", "rr-1"))
        done, text = await send(gateway, clock)
        assert done
        assert "answers: 1 x 201, 1 x 503, 1 x no answer" in text

    async def test_without_retry_the_first_answer_counts(self, clock: MockClock):
        gateway = Gateway(clock, HttpAnswer(503, b'{"detail": "later"}'))
        done, text = await send(gateway, clock, retry=False)
        assert not done
        assert len(gateway.moments) == 1
        assert "not delivered: g was answered 503: later" in text

    async def test_poison_fails_and_is_named(self, clock: MockClock):
        results = [{"status": "invalid", "error": "no target"}] * 2
        done, text = await send(Gateway(clock, HttpAnswer(400, json.dumps({"results": results}).encode())), clock)
        assert not done
        assert "refused: no target" in text


def test_latencies_are_percentiles_in_milliseconds():
    assert (
        latency_summary([number / 1000 for number in range(1, 102)]) == "p50 51 ms, p95 96 ms, p99 100 ms, max 101 ms"
    )
