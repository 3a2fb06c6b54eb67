"""The tutorial's own commands, pasted one after the other: real Prometheus, Alertmanager, kubectl and consumer."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from queue import Empty, Queue
from typing import TYPE_CHECKING, Self

from tests.e2e.alertmanager_programs import alertmanager, amtool
from tests.e2e.function import ROOT
from tests.e2e.test_make_run import SluiceRun
from tests.e2e.test_prometheus import free_ports
from tests.knative.programs import kubectl
from tests.support.pages import fences
from tests.support.prometheus import find_prometheus
from tests.support.waiting import HANGS_AFTER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PAGE = ROOT / "docs" / "tutorial.md"
FIRST_TERMINAL = "make run\n"
PRINTED_KUBECONFIG = re.compile(r"/tmp/sluice-run-…/kubeconfig")


class Terminal:
    """A shell that commands are pasted into. A context manager: after it nothing that was started in it is left."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["/bin/bash", "--noprofile", "--norc"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: Queue[str] = Queue()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        self._paste("trap 'echo \"FAILED: $BASH_COMMAND\"' ERR")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reading.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe
            pipe.close()

    def paste(self, commands: str) -> str:
        """Run commands to their end and return what they show; AssertionError where one fails."""
        self._paste(f"{commands}\necho END-OF-FENCE")
        shown: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=HANGS_AFTER)
            except Empty:
                raise AssertionError(f"no end of:\n{commands}\nit showed:\n{''.join(shown)}") from None
            if line == "END-OF-FENCE\n":
                break
            shown.append(line)
        text = "".join(shown)
        assert "FAILED: " not in text, f"{commands}\n{text}"
        return text

    def _paste(self, text: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)


def installed(folder: Path) -> Path:
    """A folder like the checkout, with the programs that the page wants in `bin`."""
    programs = folder / "bin"
    programs.mkdir()
    prometheus = find_prometheus()
    for program in (prometheus.prometheus, prometheus.promtool, alertmanager(), amtool()):
        (programs / program.name).symlink_to(program)
    (programs / "kubectl").symlink_to(kubectl())
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "knative").symlink_to(ROOT / "knative")
    return programs


def test_its_commands_lead_from_a_rule_to_a_remedy(tmp_path: Path) -> None:
    programs = installed(tmp_path)
    ports = dict(zip(("9090", "9093", "9200"), free_ports(3), strict=True))
    environment = {"PATH": f"{programs}:{os.defpath}", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    with SluiceRun(tmp_path) as run, Terminal(tmp_path, environment) as terminal:
        run.wait_for("Logs follow")
        here = {str(name): str(port) for name, port in ports.items()} | {"8080": run.url.rpartition(":")[2]}
        kubeconfig = run.line("KUBECONFIG=").split()[0].removeprefix("KUBECONFIG=")

        def in_this_test(commands: str) -> str:
            assert (PRINTED_KUBECONFIG.search(commands) is None) == ("export KUBECONFIG" not in commands)
            commands = PRINTED_KUBECONFIG.sub(kubeconfig, commands)
            return re.sub(r"\b(8080|9090|9093|9200)\b", lambda found: here[found[1]], commands)

        _drawing, first, *rest = list(fences(PAGE, ""))
        assert first == FIRST_TERMINAL
        shown = [terminal.paste(in_this_test(commands)) for commands in rest]

        environ, ill, metrics, rules, sending, opened, dry, real, restarted, well, remedied, _ = shown
        assert environ == metrics == ""
        assert ill == "namespace/shop created\ndeployment.apps/web created\n"
        assert "2 rules found" in rules
        assert "SUCCESS" in sending
        (name,) = set(re.findall(r"rr-[0-9a-f]{12}-[0-9a-f]{8}", opened))
        assert dry.splitlines()[-1] == "DryRun: dry run: would restart Deployment/web"
        assert f'"{name}" deleted' in real
        (second,) = set(re.findall(r"rr-[0-9a-f]{12}-[0-9a-f]{8}", restarted))
        assert second != name
        assert restarted.splitlines()[-1].startswith(f'{{"sluice.kubernaut.ai/restarted-for":"{second}"}}')
        assert well == ""
        assert re.search(rf"^{second} +Completed +web +\d+ +Remediated", remedied, re.MULTILINE)
        assert not (tmp_path / "tutorial").exists()
