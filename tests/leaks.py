"""A pytest plugin: an async test that leaves a task pending fails."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pytest_asyncio import is_async_test


def pytest_sessionstart() -> None:
    """In sync tests too, looptime asks for the current loop; Python 3.11 would make one that nobody closes."""
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def leaked_tasks_fail(request: pytest.FixtureRequest) -> None:
    """Watch async tests; free for all others."""
    if is_async_test(request.node):
        _require_own_loop(request.node)
        request.getfixturevalue("no_task_pending")


@pytest.fixture
async def no_task_pending() -> AsyncIterator[None]:
    """Set up first, hence torn down last: what other fixtures started must be gone too."""
    yield
    pending = asyncio.all_tasks() - {asyncio.current_task()}
    if pending:
        names = "\n".join(sorted(map(repr, pending)))
        pytest.fail(
            f"The test left {len(pending)} task(s) pending; await or cancel and await them:\n{names}", pytrace=False
        )


def _require_own_loop(item: pytest.Item) -> None:
    """In a loop that tests share, nobody could say whose task is left; and the check would look into another one."""
    marker = item.get_closest_marker("asyncio")
    scope = marker.kwargs.get("loop_scope") if marker else None
    if scope not in (None, "function"):
        pytest.fail(f"loop_scope={scope!r} hides leaked tasks; let each async test have its own loop.", pytrace=False)
