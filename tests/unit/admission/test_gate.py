"""The gate: what it makes of the header, and whom it asks in which order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.admission.gate import BearerGate
from core.common.clock import MockClock
from core.common.resilience import Deadline
from core.errors import DeadlineExceededError, PermissionDeniedError, TransientError, UnauthenticatedError
from core.kube.errors import ApiUnreachableError

UNKNOWN = UnauthenticatedError("nobody knows it")
UNKNOWN_TOO = UnauthenticatedError("neither do I")
FORBIDDEN = PermissionDeniedError("it may not")
UNREACHABLE = ApiUnreachableError("no answer")
LATER = TransientError("later")


class Fake:
    def __init__(self, refusal: Exception | None, *, owner: str = "") -> None:
        self.asked: list[str] = []
        self._refusal = refusal
        self._owner = owner

    async def check(self, token: str, *, deadline: Deadline) -> str:
        self.asked.append(token)
        if self._refusal:
            raise self._refusal
        return self._owner


async def admit(*authenticators: Fake, authorization: str = "Bearer secret") -> str:
    deadline = Deadline(clock=MockClock(datetime(2026, 1, 1, tzinfo=UTC)), seconds=8)
    return await BearerGate(authenticators=authenticators).admit(authorization, deadline=deadline)


async def test_sender_is_known_by_the_authenticator_that_accepts_the_token():
    assert await admit(
        Fake(UNKNOWN, owner="nobody"),
        Fake(None, owner="alertmanager"),
        Fake(None, owner="other"),
    ) == ("alertmanager")


async def test_first_authenticator_that_accepts_the_token_ends_the_search():
    authenticators = [Fake(UNKNOWN), Fake(None), Fake(None)]
    await admit(*authenticators)
    assert [each.asked for each in authenticators] == [["secret"], ["secret"], []]


@pytest.mark.parametrize("obstacle", [FORBIDDEN, UNREACHABLE, LATER])
async def test_refusal_of_one_authenticator_keeps_no_other_from_accepting(obstacle):
    await admit(Fake(obstacle), Fake(None))


@pytest.mark.parametrize(
    ("refusals", "told"),
    [
        ([UNKNOWN], UNKNOWN),
        ([UNKNOWN, FORBIDDEN], FORBIDDEN),
        ([FORBIDDEN, UNKNOWN], FORBIDDEN),
        ([UNKNOWN, UNREACHABLE], UNREACHABLE),
        ([LATER, FORBIDDEN], LATER),
        ([DeadlineExceededError("late"), UNKNOWN], DeadlineExceededError("late")),
    ],
)
async def test_sender_is_told_what_helps_it_most(refusals, told):
    with pytest.raises(type(told), match=str(told)):
        await admit(*(Fake(refusal) for refusal in refusals))


async def test_sender_that_nobody_knows_is_told_every_reason():
    with pytest.raises(UnauthenticatedError, match="nobody knows it; neither do I"):
        await admit(Fake(UNKNOWN), Fake(UNKNOWN_TOO))


async def test_unforeseen_error_lets_nobody_in():
    with pytest.raises(ZeroDivisionError):
        await admit(Fake(ZeroDivisionError()), Fake(None))


@pytest.mark.parametrize("authorization", ["", "Bearer", "Basic dXNlcjpwYXNz", "Bearer two words", "Bearer \xff"])
async def test_without_a_token_nobody_is_asked(authorization):
    authenticator = Fake(None)
    with pytest.raises(UnauthenticatedError):
        await admit(authenticator, authorization=authorization)
    assert authenticator.asked == []
