"""`sluice run` and `sluice demo`, as `make run` and `make demo` call them: what they print works when pasted."""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import uuid4

import pytest

from core.local.embedded import load_crd
from tests.apiserver.process import ServerProcess
from tests.e2e.function import PATIENT, SCRIPTS, UNWANTED
from tests.support.http import Answer, send
from tests.support.sockets import children
from tests.support.waiting import HANGS_AFTER, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.apiserver import KubeApiserver

SLUICE = str(SCRIPTS / "sluice")
SHOWN_WITHIN = 120.0  # seconds; 2 on an idle core
ENDS_WITHIN = 120.0
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True, kw_only=True)
class Pasted:
    """What a pasted curl line showed."""

    status: int
    body: str


class SluiceRun:
    """`sluice run` as a person's shell starts it. A context manager: after it no process of it is left."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self._environment = (
            {"PATH": os.defpath, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)} | PATIENT | environment
        )
        self._process = ServerProcess(
            [SLUICE, "run", "--port", "0", *arguments],
            log_file=folder / "run.log",
            environment=self._environment,
            folder=folder,
            when_orphaned=signal.SIGTERM,
        )

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
        assert not UNWANTED.search(self.shown), self.shown

    @property
    def shown(self) -> str:
        """Standard output and error so far."""
        return self._process.log_file.read_text()

    def wait_for(self, text: str) -> None:
        def seen() -> bool:
            assert self._process.pid or text in self.shown, self.shown
            return text in self.shown

        wait_for(seen, what=f"{text!r} to be shown", within=SHOWN_WITHIN)

    def line(self, start: str) -> str:
        """The one line that starts so."""
        (found,) = [line for line in self.shown.splitlines() if line.startswith(start)]
        return found

    @property
    def url(self) -> str:
        return self.line("function ").split()[1]

    def paste_curl(self) -> Pasted:
        """Run the line as it stands. Where there is no curl, the same request is sent, and the log says so."""
        line = self.line("curl ")
        if not shutil.which("curl"):
            logging.getLogger(__name__).warning("no curl here: its request is sent by Python instead")
            answer = _as_curl_sends(line)
            return Pasted(status=answer.status, body=answer.body.decode())
        shown = subprocess.run(
            ["/bin/sh", "-c", line], capture_output=True, text=True, timeout=HANGS_AFTER, check=True
        ).stdout
        body, _, status = shown.rstrip().rpartition("\n")
        return Pasted(status=int(status), body=body)

    def demo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SLUICE, "demo", "--url", self.url, *arguments],
            env=self._environment | {"KUBECONFIG": ""},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def end_by(self, number: signal.Signals) -> int:
        """Send a signal to the command alone, and return its exit code when nothing of it is left."""
        pid = self._process.pid
        assert pid
        processes = [pid, *_descendants(pid)]
        os.kill(pid, number)
        assert self._process.ended_within(ENDS_WITHIN), self.shown
        assert not [each for each in processes if Path(f"/proc/{each}").exists()], self.shown
        assert self._process.exit_code is not None
        return self._process.exit_code


def _as_curl_sends(line: str) -> Answer:
    words = shlex.split(line)
    headers = dict([words[words.index("-H") + 1].split(": ")])
    return send("POST", words[-1], words[words.index("-d") + 1].encode(), headers=headers)


def _descendants(pid: int) -> list[int]:
    return [each for child in children(pid) for each in (child, *_descendants(child))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_banner_works_when_pasted_the_burst_is_counted_and_ctrl_c_leaves_nothing(folder: Path) -> None:
    with SluiceRun(folder) as run:
        run.wait_for("Logs follow")
        assert "Using your cluster" not in run.shown

        first, repeat = run.paste_curl(), run.paste_curl()
        assert (first.status, repeat.status) == (201, 202)
        assert '"status":"created"' in first.body
        assert '"count":2' in repeat.body

        for address in ("healthz", "readyz", "metrics"):
            assert send("GET", run.line(address).split()[1]).status == 200
        assert b"Sluice console" in send("GET", run.line("console ").split()[1]).body

        burst = run.demo()
        assert burst.returncode == 0, burst.stdout + burst.stderr
        assert "300/300" in burst.stdout
        assert "300 alerts in" in burst.stdout
        assert "40 created" in burst.stdout
        assert "1 invalid" in burst.stdout
        assert sum(line.lstrip().startswith("rr-") for line in burst.stdout.splitlines()) == 40
        assert burst.stdout.count("PASS") == 3
        assert re.search(r"one RR, rr-\S+, for the Pods \S+, \S+, \S+: all are of Deployment/", burst.stdout)
        assert "(on purpose: one alert of the burst is broken" in burst.stdout

        again = run.demo("--seed", "1")
        assert again.returncode == 0, again.stdout + again.stderr
        assert "created" not in again.stdout
        assert _counts(again.stdout) == {name: 2 * count for name, count in _counts(burst.stdout).items()}

        url, kubeconfig = run.url, Path(run.line("KUBECONFIG=").split()[0].removeprefix("KUBECONFIG="))
        assert kubeconfig.is_file()
        assert run.end_by(signal.SIGINT) == 0
        assert not kubeconfig.parent.exists()
        assert not list(folder.glob("sluice/*"))
        assert run.shown.endswith("Stopped.\n")
        with pytest.raises(ConnectionRefusedError):
            send("GET", url)


def test_function_that_is_killed_ends_the_command_with_its_code_and_a_sentence(folder: Path) -> None:
    with SluiceRun(folder) as run:
        run.wait_for("Logs follow")
        (master,) = children(_pid(run))
        left = [master, *_descendants(master)]
        os.kill(master, signal.SIGKILL)
        assert run._process.ended_within(ENDS_WITHIN)
        assert run._process.exit_code == 128 + signal.SIGKILL
        assert run.shown.splitlines()[-1].startswith("sluice: the function ended by itself with exit code 137")
        wait_for(lambda: not any(_runs(each) for each in left), what="its workers to be gone", within=5)


def test_own_cluster_is_used_once_crd_and_namespace_are_there_and_refused_at_once_before(
    kube_apiserver: KubeApiserver, own_group: str, folder: Path
) -> None:
    namespace = f"run-{uuid4().hex[:8]}"
    kubeconfig = kube_apiserver.write_kubeconfig(folder / "kubeconfig")
    settings = {"KUBECONFIG": str(kubeconfig), "SLUICE_GROUP": own_group, "SLUICE_NAMESPACE": namespace}
    refusal = f"sluice: context test, {kube_apiserver.url} cannot be used yet: "
    missing = f"remediationrequests.{own_group} is not installed here: apply knative/cluster/crd.yaml to the cluster"
    first = _refused(folder, settings)
    assert first.startswith(refusal)
    assert missing in first

    assert kube_apiserver.request("POST", CRDS, load_crd(group=own_group)).status == 201
    wait_for(lambda: missing not in _refused(folder, settings), what="the definition to be served", within=60)
    assert _refused(folder, settings).startswith(refusal + f"the namespace '{namespace}' does not exist")
    assert kube_apiserver.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}}).status == 201

    with SluiceRun(folder, "--cluster", **settings) as run:
        run.wait_for("Using your cluster")
        assert f"Using your cluster (context test, {kube_apiserver.url}): every alert" in run.shown
        run.wait_for("Logs follow")
        assert (run.paste_curl().status, run.paste_curl().status) == (201, 202)
        unasked = run.demo("--alerts", "60", "--workloads", "8")
        assert unasked.returncode == 2
        assert f"writes to a real cluster (context test, {kube_apiserver.url})" in unasked.stderr
        burst = run.demo("--alerts", "60", "--workloads", "8", "--yes")
        assert burst.returncode == 0, burst.stdout + burst.stderr
        stored = f"/apis/{own_group}/v1alpha1/namespaces/{namespace}/remediationrequests"
        assert len(kube_apiserver.request("GET", stored).body["items"]) == 9
        assert run.demo("--clean", "--yes").stdout == "8 remediation requests of earlier bursts deleted.\n"
        assert len(kube_apiserver.request("GET", stored).body["items"]) == 1
        assert run.end_by(signal.SIGTERM) == 0


def _refused(folder: Path, settings: dict[str, str]) -> str:
    """What the command says where it ends by itself before a function is started."""
    own = folder / uuid4().hex
    own.mkdir()
    with SluiceRun(own, "--cluster", **settings) as run:
        assert run._process.ended_within(SHOWN_WITHIN), run.shown
        assert run._process.exit_code == 1
        assert "Starting the alertmanager function" not in run.shown
        return run.shown


@pytest.fixture
def own_group(kube_apiserver: KubeApiserver) -> Iterator[str]:
    """An API group that no CRD serves yet, and none does afterwards."""
    group = f"{uuid4().hex[:8]}.kubernaut.test"
    yield group
    kube_apiserver.request("DELETE", f"{CRDS}/remediationrequests.{group}")


def _counts(shown: str) -> dict[str, int]:
    """Occurrences by RR, as the table shows them."""
    rows = [line.split() for line in shown.splitlines() if line.lstrip().startswith("rr-")]
    assert rows, shown
    return {name: int(count) for name, _alert, _kind, _target, _phase, count, *_ in rows}


def _pid(run: SluiceRun) -> int:
    assert run._process.pid
    return run._process.pid


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
