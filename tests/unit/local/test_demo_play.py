"""The demo knows that the function is ready, and where its RRs are, before it sends anything."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from threading import Thread

import pytest
from rich.console import Console

from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.kube.resources import remediation_requests
from core.local.cluster import embedded_cluster, open_client, write_kubeconfig
from core.local.demo import BurstPlan, Demo
from core.local.demo.play import settings_behind
from core.local.run.function import choose_port
from core.local.running import Running, announced
from core.local.shell import CommandError
from core.settings import Settings
from tests.contract.objects import remediation_request

GROUP = "remediation.kubernaut.ai"
URL = "http://127.0.0.1:8080"
SETTINGS = Settings(namespace="ns")
MINE = Settings(namespace="mine", group="mine.example", version="v9", api_server="https://gke")


class Stub(ThreadingHTTPServer):
    """Answers /readyz with `ready`, and every POST with 404."""

    ready = 200
    posts = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self) -> None:
        self._answer(self.server.ready)

    def do_POST(self) -> None:
        self.server.posts += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(404)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int) -> None:
        body = b'{"detail": "apply knative/cluster/crd.yaml"}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving() -> Iterator[Stub]:
    with Stub(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "")


@pytest.fixture
def out() -> StringIO:
    return StringIO()


def demo(url: str, folder: Path, out: StringIO, *, yes: bool = False) -> Demo:
    return Demo(
        settings=SETTINGS,
        console=Console(file=out, width=120),
        clock=RealClock(),
        url=url,
        plan=BurstPlan(alerts=12, workloads=4),
        folder=folder,
        yes=yes,
    )


async def test_nothing_at_the_url_is_told_with_the_command_that_starts_it(
    tmp_path: Path, out: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/mine")
    url = f"http://127.0.0.1:{choose_port(0)}"
    with pytest.raises(CommandError, match="refused; start the function first: `make run`"):
        await demo(url, tmp_path, out, yes=True).play()


async def test_function_that_is_not_ready_is_told_in_its_own_words(stub: Stub, tmp_path: Path, out: StringIO) -> None:
    stub.ready = 503
    with (
        announced(new_running(stub.url, "/its"), folder=tmp_path),
        pytest.raises(CommandError, match=r"is not ready, it answers 503 to /readyz: apply knative/cluster/crd\.yaml"),
    ):
        await demo(stub.url, tmp_path, out).play()
    assert stub.posts == 0


async def test_nothing_is_sent_to_a_real_cluster_unasked(stub: Stub, tmp_path: Path, out: StringIO) -> None:
    real = new_running(stub.url, "/its").model_copy(
        update={"embedded": False, "context": "prod", "server": "https://10.0.0.1"}
    )
    with announced(real, folder=tmp_path):
        for work in (demo(stub.url, tmp_path, out).play, demo(stub.url, tmp_path, out).clean):
            with pytest.raises(
                CommandError, match=r"a real cluster \(context prod, https://10\.0\.0\.1\)\..*--yes"
            ) as it:
                await work()
            assert it.value.exit_code == 2
    assert stub.posts == 0


async def test_nothing_is_sent_to_an_unknown_cluster_unasked(
    stub: Stub, tmp_path: Path, out: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What KUBECONFIG names says nothing of where somebody else's function writes."""
    mine = write_kubeconfig(tmp_path / "k", server="https://c", namespace="ns")
    monkeypatch.setenv("KUBECONFIG", str(mine))
    with pytest.raises(
        CommandError, match=r"not known to which cluster it writes: .* names context sluice-embedded of"
    ):
        await demo(stub.url, tmp_path, out).play()
    assert stub.posts == 0


async def test_port_of_the_same_number_on_another_address_is_not_the_running_function(
    stub: Stub, tmp_path: Path, out: StringIO
) -> None:
    """Such as a `kubectl port-forward`, which takes [::1] where 127.0.0.1 is taken."""
    with (
        announced(new_running(stub.url, "/its"), folder=tmp_path),
        pytest.raises(CommandError, match="nothing answers at http"),
    ):
        await demo(f"http://[::1]:{stub.server_port}", tmp_path, out).play()


async def test_rrs_that_cannot_be_read_are_told_before_anything_is_sent(
    stub: Stub, tmp_path: Path, out: StringIO
) -> None:
    with pytest.raises(CommandError, match="it is not known where its remediation requests are; set KUBECONFIG"):
        await demo(stub.url, tmp_path, out, yes=True).play()
    assert stub.posts == 0


async def test_clean_deletes_what_bursts_opened_and_nothing_else(
    tmp_path: Path, out: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with embedded_cluster(SETTINGS) as cluster:
        monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
        async with open_client(SETTINGS, clock=RealClock()) as client:
            kind = remediation_requests(group=GROUP, version="v1alpha1")
            deadline = Deadline(clock=RealClock(), seconds=600)
            for name, labels in {"rr-demo": {"sluice_demo": "true", "a": "b"}, "rr-real": {"a": "b"}}.items():
                await client.create(
                    kind, remediation_request(name, signalLabels=labels), namespace="ns", deadline=deadline
                )
            with announced(new_running(URL, cluster.kubeconfig), folder=tmp_path):
                assert await demo(URL, tmp_path, out).clean()
            left = await client.list(kind, namespace="ns", query={}, deadline=deadline)
    assert [each["metadata"]["name"] for each in left.items] == ["rr-real"]
    assert out.getvalue() == "1 remediation requests of earlier bursts deleted.\n"


async def test_burst_that_is_refused_fails_and_says_why(stub: Stub, tmp_path: Path, out: StringIO) -> None:
    async with embedded_cluster(SETTINGS) as cluster:
        running = new_running(stub.url, cluster.kubeconfig)
        with announced(running, folder=tmp_path):
            assert not await demo(f"{stub.url}/", tmp_path, out).play()
    assert stub.posts > 4
    text = out.getvalue()
    assert "12/12" in text
    assert "FAIL  every webhook was accepted" in text
    assert "was answered 404: apply knative/cluster/crd.yaml" in text
    assert "PASS  every acknowledged alert is counted" in text


def new_running(url: str, kubeconfig: str) -> Running:
    return Running(
        pid=1,
        url=url,
        kubeconfig=kubeconfig,
        context="sluice-embedded",
        server="http://127.0.0.1:1",
        embedded=True,
        namespace="ns",
        group=GROUP,
        version="v1alpha1",
    )


def test_rrs_are_read_where_the_running_function_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/mine")
    settings = settings_behind(new_running(URL, "/its"), MINE, URL)
    assert os.environ["KUBECONFIG"] == "/its"
    assert (settings.namespace, settings.group, settings.version) == ("ns", GROUP, "v1alpha1")
    assert settings.api_server == ""


def test_function_on_google_s_credentials_shares_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(api_server="https://gke")
    assert settings_behind(new_running(URL, ""), settings, URL).api_server == "https://gke"


def test_function_elsewhere_is_read_through_our_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/mine")
    assert settings_behind(None, SETTINGS, "https://gateway.example") is SETTINGS
    assert os.environ["KUBECONFIG"] == "/mine"
