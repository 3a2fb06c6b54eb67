"""The plugin tests.leaks fails a test that leaves a task behind, and no other."""

from pathlib import Path

import pytest

TESTS = """
import asyncio
import pytest
import pytest_asyncio

kept = set()

def forever():
    task = asyncio.create_task(asyncio.Event().wait(), name="forever")
    kept.add(task)
    return task

@pytest.fixture
async def started_and_stopped():
    task = forever()
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

async def test_leaks():
    forever()

async def test_cleans_up_by_fixture(started_and_stopped):
    pass

async def test_awaits():
    await asyncio.create_task(asyncio.sleep(0))

@pytest.mark.looptime
async def test_in_virtual_time():
    await asyncio.create_task(asyncio.sleep(3600))

@pytest.mark.looptime
async def test_leaks_in_virtual_time():
    forever()

@pytest.mark.asyncio(loop_scope="module")
async def test_in_a_shared_loop():
    pass

def test_without_a_loop():
    pass
"""


def test_only_a_test_that_leaves_a_task_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_tasks=TESTS)
    settings = Path(__file__).parents[2] / "pyproject.toml"

    result = pytester.runpytest_subprocess(
        f"--config-file={settings}", "--rootdir=.", "-ptests.leaks", "-vv", "test_tasks.py"
    )

    result.assert_outcomes(passed=6, errors=3)
    result.stdout.fnmatch_lines_random(
        [
            "ERROR test_tasks.py::test_leaks - Failed: The test left 1 task(s) pending*",
            "ERROR test_tasks.py::test_leaks_in_virtual_time - Failed: The test left 1 task(s) pending*",
            "ERROR test_tasks.py::test_in_a_shared_loop - Failed: loop_scope='module' hides leaked tasks*",
            "*name='forever'*",
        ]
    )
