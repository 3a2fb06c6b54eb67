import asyncio
from base64 import b64encode

import pytest

from tests.bench.checks import WrongWorkError
from tests.bench.load import Slice, run
from tests.bench.vegeta import parse_results

MILLISECOND = 1_000_000


def result(code: int, *, start: int, latency: int, error: str = "", body: str = "", place: int = 0) -> str:
    encoded = b64encode(body.encode()).decode()
    return f"{start},{code},{latency},100,50,{error},{encoded},,0,POST,http://127.0.0.1:1/?{place},\n"


async def test_loop_keeps_to_its_number_in_flight_and_runs_everything():
    running, most, done = 0, 0, 0

    async def operation() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done += 1

    measured = await run([operation] * 9, in_flight=4)
    assert (most, done, len(measured.latencies), len(measured.ends)) == (4, 9, 9, 9)


def test_slice_begins_with_the_first_request_and_ends_with_the_last_answer():
    text = result(201, start=1_000 * MILLISECOND, latency=30 * MILLISECOND)
    text += result(202, start=1_010 * MILLISECOND, latency=50 * MILLISECOND)
    measured = parse_results(text, expected={201, 202}).slice
    assert measured.latencies == (0.03, 0.05)
    assert measured.ends == (0.03, 0.06)
    assert measured.seconds == 0.06


def test_end_of_the_targets_is_no_request():
    text = result(201, start=0, latency=1) + result(0, start=5, latency=1, error="no targets to attack")
    assert len(parse_results(text, expected={201}).slice.latencies) == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param(result(400, start=0, latency=1, body="all poison"), "400.*all poison", id="code"),
        pytest.param(result(503, start=0, latency=1, body="breaker is open"), "503.*breaker is open", id="only 503"),
        pytest.param(result(0, start=0, latency=1, error="connection refused"), "0.*connection refused", id="none"),
    ],
)
def test_answer_that_is_not_expected_ends_the_benchmark(line, told):
    with pytest.raises(WrongWorkError, match=told):
        parse_results(line, expected={201})


def test_what_is_refused_takes_time_and_counts_for_nothing_else():
    text = result(202, start=0, latency=10 * MILLISECOND, place=1)
    text += result(503, start=0, latency=40 * MILLISECOND, place=7)
    made = parse_results(text, expected={202})
    assert made.refused == {7}
    assert made.slice == Slice((0.01,), (0.01,), 0.04, refused=1)
