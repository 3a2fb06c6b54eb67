"""What headers say beside a body: which request this is, when it was sent, how its answer is to be handled."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import PayloadError
from functions._headers import CLOCK_SKEW_SECONDS, STANDARD, TIMESTAMP_TOLERANCE_SECONDS, check_timestamp
from tests.unit.functions.webhooks import alert, webhook

NOW = datetime(2026, 4, 1, 12, 0, tzinfo=UTC)


def sent(ago: float) -> str:
    return str(int((NOW - timedelta(seconds=ago)).timestamp()))


class TestRequestIds:
    async def test_one_that_the_sender_gives_comes_back_and_stands_in_the_log(self, function, scripted, capsys):
        answer = await function.post(b"no JSON", X_Request_ID="order-66/7f.a:1")
        assert answer.headers["X-Request-ID"] == "order-66/7f.a:1"
        logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["request_id"] for line in logged if "a body was refused" in line["message"]] == ["order-66/7f.a:1"]

    async def test_each_request_without_one_gets_its_own(self, function, scripted):
        given = [(await function.get("/healthz")).headers["X-Request-ID"] for _ in range(2)]
        assert all(re.fullmatch("[0-9a-f]{32}", each) for each in given)
        assert given[0] != given[1]

    @pytest.mark.parametrize("odd", ["", "x" * 129, "a b", 'a"b', "\x1b[31m", "ü", "a\tb"])
    async def test_one_that_could_spoil_a_log_is_replaced(self, function, scripted, odd):
        answer = await function.post(b"no JSON", X_Request_ID=odd)
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])

    async def test_log_lines_outside_of_requests_have_none(self, function, scripted, capsys):
        await function.get("/healthz")
        logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert all("request_id" not in line for line in logged)


class TestTimestamps:
    async def test_none_is_asked_for(self, function, wire):
        assert (await function.post(webhook(alert()))).status == 201

    @pytest.mark.parametrize("ago", [0, 1, TIMESTAMP_TOLERANCE_SECONDS, -CLOCK_SKEW_SECONDS])
    def test_of_now_or_nearly_is_taken(self, ago):
        check_timestamp(sent(ago), now=NOW)

    @pytest.mark.parametrize(
        ("ago", "said"),
        [
            (TIMESTAMP_TOLERANCE_SECONDS + 1, "timestamp too old: .* 301 seconds ago; more than 300 are"),
            (-CLOCK_SKEW_SECONDS - 1, "timestamp in future: .* 121 seconds in the future, the limit is 120"),
        ],
    )
    def test_of_long_ago_and_of_the_future_is_refused(self, ago, said):
        with pytest.raises(PayloadError, match=said) as caught:
            check_timestamp(sent(ago), now=NOW)
        assert (caught.value.field, caught.value.reason, caught.value.status) == ("X-Timestamp", "timestamp", 400)

    @pytest.mark.parametrize("odd", ["", "-1", "now", "1.5", "2026-04-01T12:00:00Z", "9" * 13, "٣", " 1", "1_000"])
    def test_that_is_no_count_of_seconds_is_refused(self, odd):
        with pytest.raises(PayloadError, match="an invalid format; send whole seconds since 1970"):
            check_timestamp(odd, now=NOW)

    async def test_refused_request_is_answered_400_and_nothing_of_it_is_stored(self, function, wire):
        answer = await function.post(webhook(alert()), X_Timestamp="1")
        assert answer.problem(400).startswith("timestamp too old: X-Timestamp is 1, ")
        assert wire.log == []
        stamp = str(int(datetime.now(UTC).timestamp()))
        assert (await function.post(webhook(alert()), X_Timestamp=stamp)).status == 201


@pytest.mark.parametrize(("method", "path"), [("GET", "/healthz"), ("GET", "/nothing"), ("PUT", "/"), ("POST", "/")])
async def test_every_answer_has_what_keeps_a_browser_from_making_more_of_it(function, scripted, method, path):
    answer = await function.call(method, path)
    assert {name: answer.headers[name] for name in STANDARD} == STANDARD
