"""From what py-spy writes to shares, trees and the report."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.bench.document import Document
from tests.bench.profiling import traced
from tests.bench.profiling.call_tree import Call, call_tree
from tests.bench.profiling.events import incident_message, kubernetes_event
from tests.bench.profiling.flame_graph import flame_graph
from tests.bench.profiling.profile import Profile
from tests.bench.profiling.raw import Frame, parse_raw
from tests.bench.profiling.subjects import MEASURED, selected_subjects, subjects
from tests.bench.profiling.summary import TOP, summed_up
from tests.bench.profiling.tables import profiles_table, why_missing
from tests.bench.profiling.traced_function import NoProfileError, TracedFunction
from tests.bench.report import render
from tests.unit.bench.factories import make_row

ROOT = Path(__file__).parents[3]
INSTALLED = f"{ROOT}/.venv/lib/python3.11/site-packages"
STANDARD = "/usr/lib/python3.11"
START = f"<module> ({ROOT}/.venv/bin/functions-framework);run ({STANDARD}/asyncio/runners.py)"
CALL = f"Connection.call ({ROOT}/core/kube/connection.py)"
MACHINE = {"date": "2026-01-02", "commit": "abc", "cores": 2, "python": "3.11", "system": "Linux", "load": 0.5}


def make_profile(**fields: Any) -> Profile:
    recorded = summed_up(f"{START};{CALL} 3\n{START} 1\n")
    defaults: dict[str, Any] = {"name": "new", "cpu": 1.5, "others": 0.01}
    return Profile(**defaults | recorded | fields)


def make_document(*profiles: Profile) -> Document:
    return Document(machine=MACHINE, rows=[make_row("new")], cold=[], hello=[], profiles=profiles)


def groups_of(*frames: str) -> dict[str, float]:
    groups: dict[str, float] = summed_up(f"{';'.join(frames)} 1\n")["groups"]
    return groups


@pytest.mark.parametrize(
    ("frame", "group"),
    [
        (CALL, "core.kube"),
        (f"read ({ROOT}/core/adapters/targets.py)", "core.adapters"),
        (f"join ({ROOT}/core/protocol/rounds.py)", "rest of core"),
        (f"receive ({ROOT}/functions/_serving.py)", "functions"),
        (f"send ({INSTALLED}/uvicorn/protocols/http/httptools_impl.py)", "uvicorn"),
        (f"app ({INSTALLED}/starlette/routing.py)", "starlette/functions-framework"),
        (f"call ({INSTALLED}/functions_framework/aio/__init__.py)", "starlette/functions-framework"),
        (f"model_validate ({INSTALLED}/pydantic/main.py)", "pydantic"),
        (f"inc ({INSTALLED}/prometheus_client/metrics.py)", "prometheus_client"),
        (f"reschedule ({STANDARD}/asyncio/timeouts.py)", "asyncio/uvloop"),
        (f"begin ({INSTALLED}/tenacity/__init__.py)", "other modules"),
    ],
)
def test_sample_counts_for_the_group_of_its_innermost_function(frame, group):
    assert groups_of(START, CALL, frame) == {group: 1.0}


def test_standard_library_works_for_whoever_called_it():
    assert groups_of(START, CALL, f"SSLObject.read ({STANDARD}/ssl.py)") == {"core.kube": 1.0}
    assert groups_of(START, CALL, "__create_fn__.<locals>.__init__ (<string>)") == {"core.kube": 1.0}


def test_sample_of_nobody_we_know_counts_for_other_modules():
    assert groups_of(f"run ({STANDARD}/threading.py)") == {"other modules": 1.0}


def test_shares_are_of_all_samples_and_the_largest_comes_first():
    found = summed_up(f"{START};{CALL} 1\n{START} 3\n")
    assert found["samples"] == 4
    assert list(found["groups"].items()) == [("asyncio/uvloop", 0.75), ("core.kube", 0.25)]
    assert found["top"] == (("asyncio.runners.run", 0.75), ("core.kube.connection.Connection.call", 0.25))


def test_functions_own_time_is_added_up_wherever_it_was_called_from():
    found = summed_up(f"{START};{CALL} 1\n{START};read ({STANDARD}/ssl.py);{CALL} 2\n")
    assert found["top"] == (("core.kube.connection.Connection.call", 1.0),)


def test_no_more_functions_are_listed_than_a_table_holds():
    lines = [f"{START};function_{number} ({ROOT}/core/text.py) {number}" for number in range(1, 30)]
    top = summed_up("\n".join(lines))["top"]
    assert len(top) == TOP
    assert top[0][0] == "core.text.function_29"


def test_recording_without_a_sample_has_no_shares():
    assert summed_up("") == {"samples": 0, "groups": {}, "top": (), "tree": Call("all", 0)}


def test_names_with_spaces_and_parentheses_are_read():
    (stack,) = parse_raw("process 7:python (a b);<lambda> (<frozen runpy>) 12\n")
    assert stack.samples == 12
    assert [frame.function for frame in stack.frames] == ["process 7:python", "<lambda>"]


def test_packages_are_named_as_they_are_imported():
    assert Frame("call", "functions_framework/aio/__init__.py").name == "functions_framework.aio.call"


def test_tree_begins_where_stacks_part():
    tree = call_tree([(("main", "run", "a", "b"), 2), (("main", "run", "a"), 1), (("main", "run", "c"), 1)])
    assert tree == Call("all", 4, (Call("a", 3, (Call("b", 2),)), Call("c", 1)))


def test_rare_calls_count_for_their_callers_only():
    tree = call_tree([(("a", "often"), 998), (("a", "seldom"), 1), (("b",), 1001)])
    assert tree.calls[0] == Call("a", 999, (Call("often", 998),))


def test_flame_graph_names_every_function_and_is_as_wide_as_its_share():
    svg = flame_graph(Call("all", 4, (Call("a.<lambda>", 3), Call("b", 1))))
    assert "<title>a.&lt;lambda&gt;, 75.0 %</title>" in svg
    assert 'x="900.0" y="16" width="300.0"' in svg
    assert "<lambda>" not in svg


def test_file_holds_the_profiles(tmp_path):
    profiles = [make_profile(), Profile(name="repeats", cpu=0.5, others=0.0, missing="py-spy is not installed.")]
    make_document(*profiles).write(tmp_path / "run.json")
    assert list(Document.read(tmp_path / "run.json").profiles) == profiles


def test_file_of_a_time_without_profiles_is_read(tmp_path):
    document = asdict(make_document())
    del document["profiles"]
    (tmp_path / "run.json").write_text(json.dumps(document))
    assert list(Document.read(tmp_path / "run.json").profiles) == []


def test_report_shows_profiles_and_needs_no_other_file():
    html = render(make_document(make_profile()))
    assert 'class="flame"' in html
    assert "core.kube.connection.Connection.call" in html
    assert "75.0 %" in html
    assert "<script" not in html
    assert "Profile of the function" not in render(make_document())


def test_report_says_once_why_there_is_no_profile():
    missing = [make_profile(samples=0, missing="py-spy could not trace it: <denied>") for _ in range(2)]
    html = render(make_document(*missing))
    assert html.count("py-spy could not trace it: &lt;denied&gt;") == 1
    assert "1.50" in html
    assert 'class="flame"' not in html
    assert why_missing(missing) == ["py-spy could not trace it: <denied>"]


def test_terminal_shows_cpu_and_shares():
    text = io.StringIO()
    Console(width=200, file=text).print(profiles_table([make_profile()]))
    assert "1.50" in text.getvalue()
    assert "core.kube 75%, asyncio/uvloop 25%" in text.getvalue()


def test_loads_are_chosen_by_parts_of_their_names():
    chosen = [subject.name for subject in selected_subjects(subjects(), only=["resolved", "Pub"])]
    assert len(chosen) == 3
    assert selected_subjects(subjects(), only=["none of them"]) == []


def test_pods_of_new_signals_suffice_for_all_slices():
    (subject,) = selected_subjects(subjects(), only=["resolved: new"])
    warm_up = 1
    drawn = subject.draw(warm_up + MEASURED + subject.slices)
    assert [target for (target,) in drawn] == list(subject.pods)


@pytest.mark.parametrize("make", [kubernetes_event, incident_message])
def test_no_two_events_are_one_delivered_again(make):
    assert make(["pod-1"]).body != make(["pod-1"]).body


def test_without_py_spy_a_sentence_says_so(tmp_path):
    function = TracedFunction(target="alertmanager", folder=tmp_path, environment={}, py_spy=tmp_path / "py-spy")
    with pytest.raises(NoProfileError, match="py-spy is not installed at"):
        function.record()


def test_parent_of_the_function_becomes_py_spy_and_traces_the_worker(tmp_path):
    py_spy, worker = tmp_path / "py-spy", "import sys; print('up', flush=True); sys.stdin.read()"
    py_spy.write_text('#!/bin/sh\necho "$$" "$@"\n')
    py_spy.chmod(0o755)
    master = f"import subprocess, sys; subprocess.run([sys.executable, '-I', '-S', '-c', {worker!r}])"
    command = [sys.executable, traced.__file__, py_spy, "out.txt", "500", sys.executable, "-I", "-S", "-c", master]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        os.kill(process.pid, signal.SIGUSR1)
        pid, *told = process.stdout.readline().split()
        process.communicate()
    assert int(pid) == process.pid
    assert told[:2] == ["record", "--pid"]
    assert int(told[2]) > process.pid
    assert told[3:5] == ["--output", "out.txt"]
