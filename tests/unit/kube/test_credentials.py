"""Tokens stay fresh, and cost no more reads than they must."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.common.clock import MockClock
from core.kube.transport import FileToken, GoogleToken, HookToken, StaticToken

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def clock():
    return MockClock(START)


async def test_static_token_is_the_one_given_or_none():
    assert await StaticToken("secret").token() == "secret"
    assert await StaticToken().token() == ""


async def test_rotated_file_is_read_again_after_a_minute(tmp_path, clock):
    path = tmp_path / "token"
    path.write_text("first\n")
    source = FileToken(path=path, clock=clock)
    assert await source.token() == "first"
    path.write_text("second\n")
    clock.advance(timedelta(seconds=60))
    assert await source.token() == "first"
    clock.advance(timedelta(seconds=1))
    assert await source.token() == "second"


def _remove(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_text("\n")


def _garble(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")


@pytest.mark.parametrize("spoil", [_remove, _empty, _garble])
async def test_last_good_token_serves_on_until_its_file_can_be_read_again(tmp_path, clock, spoil):
    path = tmp_path / "token"
    path.write_text("first")
    said: list[str] = []
    source = FileToken(path=path, clock=clock, warn=said.append)
    await source.token()
    for outage in (1, 2):
        spoil(path)
        clock.advance(timedelta(seconds=61))
        assert [await source.token() for _ in range(3)] == ["first" if outage == 1 else "second"] * 3
        assert len(said) == outage
        assert said[-1].startswith("the last good token is used on, for the token file cannot be read: ")
        path.write_text("second")
        assert await source.token() == "second"


@pytest.mark.parametrize("spoil", [_remove, _empty])
async def test_file_that_never_held_a_token_is_an_error(tmp_path, clock, spoil):
    path = tmp_path / "token"
    path.touch()
    spoil(path)
    source = FileToken(path=path, clock=clock)
    with pytest.raises((OSError, ValueError), match=str(path)):
        await source.token()
    path.write_text("late")
    assert await source.token() == "late"


class Hook:
    """Counts how often it is asked; `gate` holds it back."""

    def __init__(self) -> None:
        self.calls = 0
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> str:
        self.calls += 1
        await self.gate.wait()
        if self.failure:
            raise self.failure
        return f"token-{self.calls}"


async def test_hook_is_asked_once_a_minute(clock):
    hook = Hook()
    source = HookToken(fetch=hook, clock=clock)
    assert await source.token() == await source.token() == "token-1"
    clock.advance(timedelta(seconds=60))
    assert await source.token() == "token-1"
    clock.advance(timedelta(seconds=1))
    assert await source.token() == "token-2"


async def test_callers_at_once_share_one_fetch(clock):
    hook = Hook()
    hook.gate.clear()
    source = HookToken(fetch=hook, clock=clock)
    callers = [asyncio.create_task(source.token()) for _ in range(10)]
    await asyncio.sleep(0)
    hook.gate.set()
    assert await asyncio.gather(*callers) == ["token-1"] * 10
    assert hook.calls == 1


async def test_failed_hook_is_asked_again_by_the_next_caller(clock):
    hook = Hook()
    hook.failure = OSError("the plugin failed")
    source = HookToken(fetch=hook, clock=clock)
    with pytest.raises(OSError, match="the plugin failed"):
        await source.token()
    hook.failure = None
    assert await source.token() == "token-2"


class Credentials:
    """What google-auth's credentials look like to us; expiry has no zone, as there."""

    def __init__(self, *, token: str | None = None, expires_in: float | None = None) -> None:
        self.token = token
        self.expiry = None if expires_in is None else (START + timedelta(seconds=expires_in)).replace(tzinfo=None)
        self.refreshed_in: list[threading.Thread] = []

    def refresh(self) -> None:
        self.refreshed_in.append(threading.current_thread())
        self.token = f"access-{len(self.refreshed_in)}"
        self.expiry = (START + timedelta(hours=1)).replace(tzinfo=None)


def google(credentials: Credentials, clock: MockClock) -> GoogleToken:
    typed: Any = credentials
    return GoogleToken(credentials=typed, refresh=credentials.refresh, clock=clock)


async def test_google_token_is_fetched_at_first_use_in_a_thread(clock):
    credentials = Credentials()
    assert await google(credentials, clock).token() == "access-1"
    (thread,) = credentials.refreshed_in
    assert thread is not threading.main_thread()


async def test_google_token_is_kept_until_minutes_before_its_end(clock):
    credentials = Credentials()
    source = google(credentials, clock)
    await source.token()
    clock.advance(timedelta(minutes=55))
    assert await source.token() == "access-1"
    clock.advance(timedelta(minutes=1))
    assert await source.token() == "access-2"


async def test_google_token_that_never_ends_is_not_refreshed(clock):
    credentials = Credentials(token="for-ever")
    assert await google(credentials, clock).token() == "for-ever"
    assert credentials.refreshed_in == []


async def test_callers_at_once_share_one_refresh(clock):
    credentials = Credentials(token="old", expires_in=10)
    source = google(credentials, clock)
    assert await asyncio.gather(*(source.token() for _ in range(10))) == ["access-1"] * 10
    assert len(credentials.refreshed_in) == 1
