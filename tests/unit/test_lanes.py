"""`make test` fails where any stage of any lane does, and says which."""

import sys

from tests.lanes import REAL_CLUSTER, REAL_PARTS, Stage, lanes, run


def python(code: str) -> Stage:
    return Stage(code, (sys.executable, "-c", code))


async def test_worst_code_of_all_stages_is_returned_and_later_stages_run():
    written: list[str] = []
    code = await run(
        {"a": [python("raise SystemExit(3)"), python("print('still here')")], "b": [python("print('fine')")]},
        write=written.append,
    )
    assert code == 3
    assert "a | still here" in written
    assert "b | fine" in written


async def test_killed_stage_is_a_failure():
    killed = python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert await run({"a": [killed]}, write=lambda _: None) == 9


async def test_failing_tests_are_named_once_more_at_the_end():
    written: list[str] = []
    await run({"a": [python("print('FAILED tests/x.py::y'); raise SystemExit(1)")]}, write=written.append)
    assert written[-1] == "FAILED tests/x.py::y"


async def test_stage_that_prints_no_line_for_long_is_said_to_run_still(tmp_path):
    told = tmp_path / "told"
    waits = (
        f"from os.path import exists\nprint('.', end='', flush=True)\nwhile not exists({str(told)!r}): pass\nprint('F')"
    )
    written: list[str] = []

    def write(line: str) -> None:
        written.append(line)
        if line.startswith("a | . … after "):
            told.touch()

    assert await run({"a": [python(waits)]}, write=write, silence=0.01) == 0
    assert told.exists()
    assert "a | .F" in written


def test_every_folder_of_tests_is_in_a_lane():
    commands = [" ".join(stage.command) for stages in lanes().values() for stage in stages]
    (python_only,) = [each for each in commands if all(f"--ignore={path}" in each for path in REAL_PARTS)]
    assert not any(f" {path} " in f"{python_only} " for path in REAL_PARTS)
    for path in (*REAL_PARTS, *REAL_CLUSTER):
        assert any(f" {path} " in f"{each} " for each in commands)
