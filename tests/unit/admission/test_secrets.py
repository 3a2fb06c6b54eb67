"""The shared secret: one or two lines of a file, read again once it has changed."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from core.admission.gate import BearerGate
from core.admission.secrets import SharedSecret
from core.common.clock import MockClock
from core.common.resilience import Deadline
from core.errors import TransientError, UnauthenticatedError

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "0" * 32, "f" * 64


class Entrance:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = MockClock(datetime(2026, 1, 2, tzinfo=UTC))
        self.warnings: list[str] = []
        self.gate = BearerGate(authenticators=[SharedSecret(path=path, clock=self.clock, warn=self.warnings.append)])

    def write(self, content: str) -> None:
        """Exchange the file as the kubelet does, and let the second pass until it is looked at."""
        exchanged = self.path.with_suffix(".new")
        exchanged.write_text(content)
        exchanged.replace(self.path)
        self.clock.advance(timedelta(seconds=1))

    async def admit(self, secret: str) -> str:
        return await self.gate.admit(f"Bearer {secret}", deadline=Deadline(clock=self.clock, seconds=8))

    async def refuses(self, secret: str) -> None:
        with pytest.raises(UnauthenticatedError, match="is not the shared secret"):
            await self.admit(secret)


@pytest.fixture
def entrance(tmp_path):
    entrance = Entrance(tmp_path / "secret")
    entrance.write(f"{OLD}\n")
    return entrance


async def test_lets_in_who_shows_it(entrance):
    assert await entrance.admit(OLD) == "shared-secret"


@pytest.mark.parametrize("other", ["x", OLD[:-1], OLD + "0", NEW, OLD.upper() + "A"])
async def test_refuses_all_others(entrance, other):
    await entrance.refuses(other)


async def test_two_are_taken_while_it_is_being_changed(entrance):
    entrance.write(f"{OLD}\n\n  {NEW}  \n")
    await entrance.admit(OLD)
    await entrance.admit(NEW)
    entrance.write(NEW)
    await entrance.admit(NEW)
    await entrance.refuses(OLD)


async def test_change_in_place_of_the_same_length_is_seen(entrance):
    await entrance.admit(OLD)
    entrance.path.write_text("1" * 32 + "\n")
    os.utime(entrance.path, ns=(1, 1))
    entrance.clock.advance(timedelta(seconds=1))
    await entrance.admit("1" * 32)
    await entrance.refuses(OLD)


async def test_file_that_did_not_change_is_not_read_again(entrance, monkeypatch):
    await entrance.admit(OLD)
    monkeypatch.setattr("core.admission.secrets.read_secrets", None)
    entrance.clock.advance(timedelta(seconds=10))
    await entrance.admit(OLD)


@pytest.mark.parametrize("content", ["", "\n", "short", f"{OLD}\n{NEW}\n{OLD}", "ä" * 32, "two words " * 9, "x" * 9000])
async def test_file_that_cannot_be_used_lets_nobody_in_and_says_so_once(entrance, content):
    await entrance.admit(OLD)
    entrance.write(content)
    for _ in range(3):
        with pytest.raises(TransientError, match="cannot be read at the moment"):
            await entrance.admit(OLD)
        entrance.clock.advance(timedelta(seconds=1))
    assert len(entrance.warnings) == 1
    entrance.write(OLD)
    await entrance.admit(OLD)


async def test_file_that_is_gone_lets_nobody_in(entrance):
    entrance.path.unlink()
    for secret in (OLD, ""):
        with pytest.raises((TransientError, UnauthenticatedError)):
            await entrance.admit(secret)
    assert "nobody is let in by the shared secret" in entrance.warnings[0]


async def test_secret_is_neither_kept_nor_told(entrance):
    with pytest.raises(UnauthenticatedError) as caught:
        await entrance.admit(NEW)
    assert OLD not in str(caught.value)
    assert NEW not in str(caught.value)
    assert OLD not in repr(vars(entrance.gate._authenticators[0]))
    entrance.write(f"{OLD} {NEW}")
    with pytest.raises(TransientError):
        await entrance.admit(OLD)
    assert OLD not in entrance.warnings[0]
