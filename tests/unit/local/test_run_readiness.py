"""`sluice run` waits while its user removes what is in the way, and says what that is."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.common.clock import MockClock, RealClock
from core.local.cluster import write_kubeconfig
from core.local.embedded import Access, EmbeddedApi, EmbeddedServer, User
from core.local.run.function import choose_port
from core.local.run.readiness import function_obstacle, namespace_obstacle, wait_until_ready
from core.local.shell import CommandError
from core.settings import Settings

STARTING = "the function does not listen yet"
SETTINGS = Settings(namespace="sluice-system")


class Child:
    """Runs until `ends_at`, in virtual time."""

    def __init__(self, clock: MockClock, *, ends_at: float = 1e9) -> None:
        self._clock = clock
        self._ends_at = ends_at

    @property
    def exit_code(self) -> int | None:
        return 3 if self._clock.monotonic() >= self._ends_at else None

    async def ended_within(self, seconds: float) -> bool:
        self._clock.advance(timedelta(seconds=seconds))
        return self.exit_code is not None


def finding(*sentences: str) -> Callable[[], Awaitable[str]]:
    """Find one after the other, the last one for ever."""
    left = list(sentences)

    async def find() -> str:
        return left.pop(0) if len(left) > 1 else left[0]

    return find


async def wait(*sentences: str, ends_at: float = 1e9) -> list[str]:
    clock = MockClock(datetime(2026, 1, 2, tzinfo=UTC))
    told: list[str] = []
    await wait_until_ready(
        finding(*sentences), Child(clock, ends_at=ends_at), seconds=30, clock=clock, tell=told.append
    )
    return told


async def test_each_obstacle_is_told_once() -> None:
    told = await wait(STARTING, "no CRD", "no CRD", "no namespace", "no namespace", "")
    assert told == [
        "Not ready yet: no CRD. Waiting until it is.",
        "Not ready yet: no namespace. Waiting until it is.",
    ]


async def test_start_itself_is_no_obstacle_worth_telling() -> None:
    assert await wait(STARTING, STARTING, "") == []


async def test_waiting_ends_with_the_sentence() -> None:
    with pytest.raises(CommandError, match="not ready after 30 s: no CRD") as raised:
        await wait(STARTING, "no CRD")
    assert raised.value.exit_code == 1


async def test_child_that_ends_meanwhile_ends_the_wait_with_its_code() -> None:
    with pytest.raises(CommandError, match="the function ended by itself with exit code 3") as raised:
        await wait(STARTING, ends_at=1)
    assert raised.value.exit_code == 3


async def test_function_that_does_not_listen_yet_is_an_obstacle() -> None:
    assert await function_obstacle(f"http://127.0.0.1:{choose_port(0)}") == STARTING


async def namespace(access: Access | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> str:
    async with EmbeddedServer(EmbeddedApi(access=access, namespaces=names)) as server:
        path = write_kubeconfig(tmp_path / "k", server=server, namespace="default")
        monkeypatch.setenv("KUBECONFIG", str(path))
        return await namespace_obstacle(SETTINGS, clock=RealClock())


async def test_namespace_that_exists_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await namespace(None, tmp_path, monkeypatch, "sluice-system") == ""


async def test_missing_namespace_is_told_with_the_command_that_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = await namespace(None, tmp_path, monkeypatch)
    assert "the namespace 'sluice-system' does not exist" in sentence
    assert "kubectl create namespace sluice-system" in sentence


async def test_who_may_not_read_namespaces_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for_others = Access(tokens={"token": User("admin", ("system:masters",))})
    assert await namespace(for_others, tmp_path, monkeypatch) == ""


async def test_cluster_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{choose_port(0)}"
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "k", server=url, namespace="default")))
    assert f"the Kubernetes API at {url} did not answer" in await namespace_obstacle(SETTINGS, clock=RealClock())
