"""The gate: what it makes of the header, and whom it asks in which order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.admission.gates import BearerGate
from core.common.clock import MockClock
from core.common.resilience import Deadline
from core.errors import DeadlineExceededError, PermissionDeniedError, TransientError, UnauthenticatedError
from core.kube.errors import ApiUnreachableError

UNKNOWN = UnauthenticatedError("nobody knows it")
UNKNOWN_TOO = UnauthenticatedError("neither do I")
FORBIDDEN = PermissionDeniedError("it may not")
UNREACHABLE = ApiUnreachableError("no answer")
LATER = TransientError("later")


class Way:
    def __init__(self, verdict: Exception | None, *, owner: str = "") -> None:
        self.asked: list[str] = []
        self._verdict = verdict
        self._owner = owner

    async def check(self, token: str, *, deadline: Deadline) -> str:
        self.asked.append(token)
        if self._verdict:
            raise self._verdict
        return self._owner


async def admit(*ways: Way, authorization: str = "Bearer secret") -> str:
    deadline = Deadline(clock=MockClock(datetime(2026, 1, 1, tzinfo=UTC)), seconds=8)
    return await BearerGate(ways=ways).admit(authorization, deadline=deadline)


async def test_sender_is_known_by_the_way_that_takes_the_token():
    assert await admit(Way(UNKNOWN, owner="nobody"), Way(None, owner="alertmanager"), Way(None, owner="other")) == (
        "alertmanager"
    )


async def test_first_way_that_takes_the_token_ends_the_search():
    ways = [Way(UNKNOWN), Way(None), Way(None)]
    await admit(*ways)
    assert [way.asked for way in ways] == [["secret"], ["secret"], []]


@pytest.mark.parametrize("obstacle", [FORBIDDEN, UNREACHABLE, LATER])
async def test_one_ways_no_is_no_hindrance_for_another(obstacle):
    await admit(Way(obstacle), Way(None))


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ([UNKNOWN], UNKNOWN),
        ([UNKNOWN, FORBIDDEN], FORBIDDEN),
        ([FORBIDDEN, UNKNOWN], FORBIDDEN),
        ([UNKNOWN, UNREACHABLE], UNREACHABLE),
        ([LATER, FORBIDDEN], LATER),
        ([DeadlineExceededError("late"), UNKNOWN], DeadlineExceededError("late")),
    ],
)
async def test_sender_is_told_what_helps_it_most(verdicts, told):
    with pytest.raises(type(told), match=str(told)):
        await admit(*(Way(verdict) for verdict in verdicts))


async def test_sender_that_nobody_knows_is_told_of_every_way():
    with pytest.raises(UnauthenticatedError, match="nobody knows it; neither do I"):
        await admit(Way(UNKNOWN), Way(UNKNOWN_TOO))


async def test_unforeseen_error_lets_nobody_in():
    with pytest.raises(ZeroDivisionError):
        await admit(Way(ZeroDivisionError()), Way(None))


@pytest.mark.parametrize("authorization", ["", "Bearer", "Basic dXNlcjpwYXNz", "Bearer two words", "Bearer \xff"])
async def test_without_a_token_nobody_is_asked(authorization):
    way = Way(None)
    with pytest.raises(UnauthenticatedError):
        await admit(way, authorization=authorization)
    assert way.asked == []
