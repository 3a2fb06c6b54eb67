"""One value per event loop: made once, closed at the loop's end, never carried to another loop."""

import asyncio

import pytest

from core.common.memory import PerLoop


class Connections:
    """Something to close; it belongs to the loop it was made in."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.closed = False

    async def close(self) -> None:
        await asyncio.sleep(0)  # closing may need the loop to be alive
        assert asyncio.get_running_loop() is self.loop
        self.closed = True


class Factory:
    """Builds slowly, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.made: list[Connections] = []
        self.calls = 0

    async def __call__(self) -> Connections:
        self.calls += 1
        await asyncio.sleep(0)
        if self.calls <= self.failures:
            raise OSError(f"failure {self.calls}")
        self.made.append(Connections())
        return self.made[-1]


def test_nothing_is_built_before_the_first_use():
    factory = Factory()
    PerLoop(factory)
    assert factory.calls == 0


def test_it_can_be_made_before_there_is_a_loop():
    factory = Factory()
    value = PerLoop(factory)
    assert asyncio.run(value.get()) is factory.made[0]


def test_first_uses_at_once_build_once():
    factory = Factory()
    value = PerLoop(factory)

    async def use() -> list[Connections]:
        return await asyncio.gather(*(value.get() for _ in range(50)))

    got = asyncio.run(use())
    assert factory.calls == 1
    assert {id(each) for each in got} == {id(factory.made[0])}


def test_value_is_kept_while_the_loop_lives_and_closed_at_its_end():
    factory = Factory()
    value = PerLoop(factory)

    async def use() -> Connections:
        first = await value.get()
        second = await value.get()
        assert first is second
        assert not first.closed
        return first

    assert asyncio.run(use()).closed


def test_value_is_closed_when_the_loop_ends_by_an_error():
    factory = Factory()
    value = PerLoop(factory)

    async def use() -> None:
        await value.get()
        raise KeyError("over")

    with pytest.raises(KeyError):
        asyncio.run(use())
    assert factory.made[0].closed


def test_new_loop_gets_a_value_of_its_own():
    factory = Factory()
    value = PerLoop(factory)
    first = asyncio.run(value.get())
    second = asyncio.run(value.get())
    assert first is not second
    assert factory.calls == 2
    assert first.closed
    assert second.closed


def test_failed_build_reaches_its_caller_and_the_next_call_builds_anew():
    factory = Factory(failures=1)
    value = PerLoop(factory)

    async def use() -> Connections:
        with pytest.raises(OSError, match="failure 1"):
            await value.get()
        return await value.get()

    assert asyncio.run(use()) is factory.made[0]
    assert factory.calls == 2
    assert factory.made[0].closed


def test_callers_that_wait_for_a_build_that_fails_try_themselves():
    factory = Factory(failures=1)
    value = PerLoop(factory)

    async def use() -> list[Connections | BaseException]:
        return await asyncio.gather(*(value.get() for _ in range(3)), return_exceptions=True)

    failed, *built = asyncio.run(use())
    assert isinstance(failed, OSError)
    assert built == [factory.made[0]] * 2
    assert factory.calls == 2


def test_cancelled_first_use_leaves_the_next_one_to_build():
    factory = Factory()
    value = PerLoop(factory)

    async def use() -> Connections:
        task = asyncio.create_task(value.get())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await value.get()

    assert asyncio.run(use()).closed
    assert factory.calls == 2
