"""One run from its start to its end, with a small child in the function's place."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from core.common.clock import RealClock
from core.local.cluster import embedded_cluster
from core.local.run import Run
from core.local.running import find_running
from core.local.shell import CommandError
from core.local.web import UnansweredError, call
from core.settings import Settings

SETTINGS = Settings(namespace="ns")
ENVIRONMENT = {"PATH": os.defpath}

READY = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/end":
            import os
            os._exit(7)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def child(code: str, port: int) -> Sequence[str]:
    return [sys.executable, "-I", "-S", "-c", code, str(port)]


def exists(path: str) -> bool:
    return Path(path).exists()


class Text(StringIO):
    """Tells when the banner's last line was written."""

    def __init__(self) -> None:
        super().__init__()
        self.complete = asyncio.Event()

    def write(self, text: str) -> int:
        if "Logs follow" in text:
            self.complete.set()
        return super().write(text)


class Output:
    """What the console shows."""

    def __init__(self) -> None:
        self._text = Text()
        self.console = Console(file=self._text, width=120)

    async def complete(self) -> None:
        await self._text.complete.wait()

    @property
    def text(self) -> str:
        return self._text.getvalue()

    @property
    def url(self) -> str:
        return next(line.split()[1] for line in self.text.splitlines() if line.startswith("function "))


def new_run(output: Output, folder: Path, *, code: str = READY, **changes: object) -> Run:
    values: dict[str, object] = {
        "settings": SETTINGS,
        "console": output.console,
        "clock": RealClock(),
        "port": 0,
        "environ": ENVIRONMENT,
        "folder": folder,
        "command": lambda port: child(code, port),
    }
    return Run(**(values | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def serving(run: Run, output: Output) -> AsyncIterator[asyncio.Task[None]]:
    """Inside the block the banner is shown; after it the run has been cancelled and cleaned up."""
    task = asyncio.create_task(run.serve())
    shown = asyncio.create_task(output.complete())
    try:
        await asyncio.wait([shown, task], return_when=asyncio.FIRST_COMPLETED)
        assert shown.done(), output.text
        yield task
    finally:
        for each in (shown, task):
            each.cancel()
        await asyncio.wait([shown, task])


@pytest.fixture
def output() -> Output:
    return Output()


async def test_run_is_announced_with_its_cluster_until_it_ends(output: Output, tmp_path: Path) -> None:
    async with serving(new_run(output, tmp_path), output):
        running = find_running(output.url, folder=tmp_path)
        assert running is not None
        assert (running.pid, running.namespace) == (os.getpid(), "ns")
        assert exists(running.kubeconfig)
    assert find_running(output.url, folder=tmp_path) is None
    assert not exists(running.kubeconfig)


async def test_cancelled_run_leaves_no_child(output: Output, tmp_path: Path) -> None:
    async with serving(new_run(output, tmp_path), output) as task:
        pass
    assert task.cancelled()
    with pytest.raises(UnansweredError, match="refused"):
        call(f"{output.url}/readyz", timeout=60)


async def test_child_that_dies_ends_the_run_with_its_code(output: Output, tmp_path: Path) -> None:
    async with serving(new_run(output, tmp_path), output) as task:
        with pytest.raises(UnansweredError):
            await asyncio.to_thread(call, f"{output.url}/end", timeout=60)
        with pytest.raises(CommandError, match="the function ended by itself with exit code 7") as raised:
            await task
    assert raised.value.exit_code == 7


async def test_child_that_does_not_come_up_ends_the_run_with_its_code(output: Output, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="exit code 4") as raised:
        await new_run(output, tmp_path, code="raise SystemExit(4)").serve()
    assert raised.value.exit_code == 4


async def test_missing_framework_is_told_with_the_command_that_installs_it(output: Output, tmp_path: Path) -> None:
    run = new_run(output, tmp_path, command=lambda _port: ["/no/such/functions-framework"])
    with pytest.raises(CommandError, match=r"cannot be started .*; run `make setup`"):
        await run.serve()


async def test_folder_that_cannot_be_written_is_told_and_does_not_stop_the_run(output: Output, tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    async with serving(new_run(output, occupied), output):
        assert "`make demo` will need KUBECONFIG=" in output.text
        assert call(f"{output.url}/readyz", timeout=60).status == 200


async def test_kubeconfig_s_cluster_is_used_when_asked_for_and_said_so(
    output: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with embedded_cluster(SETTINGS) as mine:
        monkeypatch.setenv("KUBECONFIG", mine.kubeconfig)
        run = new_run(output, tmp_path, environ=ENVIRONMENT | {"KUBECONFIG": mine.kubeconfig}, cluster=True)
        async with serving(run, output):
            assert f"Using your cluster (context sluice-embedded, {mine.server}): every alert" in output.text
            running = find_running(output.url, folder=tmp_path)
            assert running is not None
            assert (running.kubeconfig, running.server, running.embedded) == (mine.kubeconfig, mine.server, False)


@pytest.mark.parametrize(
    ("environ", "settings", "said"),
    [
        ({"KUBECONFIG": "/home/me/.kube/config"}, SETTINGS, "KUBECONFIG is not used"),
        ({}, Settings(namespace="ns", api_server="https://gke"), "SLUICE_API_SERVER=https://gke is not used"),
    ],
)
async def test_cluster_that_the_environment_names_is_never_touched_unasked(
    output: Output, tmp_path: Path, environ: dict[str, str], settings: Settings, said: str
) -> None:
    run = new_run(output, tmp_path, environ=ENVIRONMENT | environ, settings=settings)
    async with serving(run, output):
        assert f"{said}: the embedded Kubernetes API is. For your cluster: make run CLUSTER=1" in output.text
        running = find_running(output.url, folder=tmp_path)
        assert running is not None
        assert running.embedded
        assert running.kubeconfig != "/home/me/.kube/config"
        assert "(embedded, in memory" in output.text


async def test_run_on_one_s_own_cluster_needs_one(output: Output, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no cluster is named"):
        await new_run(output, tmp_path, cluster=True).serve()


@pytest.mark.parametrize(
    ("there", "lack"),
    [
        ("other", (SETTINGS, "cannot be used yet: the namespace 'ns' does not exist: run `kubectl create")),
        ("ns", (Settings(namespace="ns", group="other.example"), "apply knative/cluster/crd.yaml")),
    ],
)
async def test_what_one_s_own_cluster_lacks_is_told_at_once_and_nothing_starts(
    output: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str, lack: tuple[Settings, str]
) -> None:
    settings, sentence = lack
    async with embedded_cluster(Settings(namespace=there)) as mine:
        monkeypatch.setenv("KUBECONFIG", mine.kubeconfig)
        run = new_run(
            output,
            tmp_path,
            environ=ENVIRONMENT | {"KUBECONFIG": mine.kubeconfig},
            cluster=True,
            settings=settings,
            command=lambda _port: pytest.fail("the function was started"),
        )
        with pytest.raises(CommandError, match=re.escape(sentence)):
            await run.serve()
    assert output.text == ""
