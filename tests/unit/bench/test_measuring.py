"""CPU and calls of a slice are those of its own processes."""

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

from tests.bench.load import Slice
from tests.bench.measuring import cpu_seconds, measure

# More than is asked for: /proc counts in hundredths of a second, cut off.
BURN = "import time\nwhile time.process_time() < 0.2: pass"
SLICE = Slice((0.1,), (0.1,), 0.1)


class CountingServer:
    """Answers /metrics with one call more each time."""

    def __init__(self) -> None:
        self.calls = 0

    def request(self, method, path):
        self.calls += 1
        line = f'apiserver_request_total{{resource="leases",verb="POST"}} {self.calls}'
        return SimpleNamespace(status=200, body=f"# TYPE apiserver_request_total counter\n{line}\n")


def counting() -> Any:
    return CountingServer()


def burn() -> Slice:
    subprocess.run([sys.executable, "-I", "-S", "-c", BURN], check=True)
    return SLICE


def test_processes_that_ended_in_the_slice_are_counted_under_their_name():
    measured = measure(burn, server=counting(), processes={"us": [os.getpid()]}, children="burner")
    assert measured.cpu["burner"] >= 0.1
    assert measured.cpu["us"] < measured.cpu["burner"]
    assert measured.slice is SLICE


def test_calls_are_those_between_two_looks_at_the_servers_count():
    measured = measure(lambda: SLICE, server=counting(), processes={})
    assert measured.calls == {"POST leases": 1}


def test_cpu_of_a_process_includes_its_children():
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-I', '-S', '-c', {BURN + chr(10) + 'input()'!r}])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as parent:
        while cpu_seconds([parent.pid]) < 0.1:
            assert parent.poll() is None
        parent.communicate(b"\n")


def test_what_others_took_of_the_machine_is_told(monkeypatch):
    # Two cores: 10 s in all of which we know nothing, in a slice of next to no time.
    spent = iter([100.0, 110.0])
    monkeypatch.setattr("tests.bench.measuring._machine_seconds", lambda: next(spent))
    monkeypatch.setattr("tests.bench.measuring.time", SimpleNamespace(monotonic=iter([0.0, 10.0]).__next__))
    monkeypatch.setattr("psutil.cpu_count", lambda: 2)
    assert measure(lambda: SLICE, server=counting(), processes={}).others == 0.5
