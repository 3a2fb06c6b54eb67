"""/metrics on a port of its own, of every function as production starts it, before anybody has sent anything."""

import signal
import socket

import pytest

from core.local.cluster import embedded_cluster
from core.settings import Settings
from tests.apiserver.process import ServerProcess
from tests.e2e.function import UNWANTED, process_environment, production
from tests.support.http import send
from tests.support.waiting import wait_for


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(params=["alertmanager", "kubernetes_event", "pubsub"])
async def process(request, tmp_path, free_port):
    """One that nobody sends a request to; its metrics are on `free_port`."""
    async with embedded_cluster(Settings(namespace="ops")) as cluster:
        environment = process_environment(tmp_path) | {
            "KUBECONFIG": cluster.kubeconfig,
            "SLUICE_NAMESPACE": "ops",
            "SLUICE_METRICS_PORT": str(free_port),
        }
        process = ServerProcess(
            production(request.param),
            log_file=tmp_path / "function.log",
            environment=environment,
            folder=tmp_path,
            when_orphaned=signal.SIGTERM,
        )
        process.start()
        yield process
        process.kill()


async def test_metrics_are_served_before_the_first_request_and_end_with_the_worker(process, free_port):
    def scraped() -> bytes:
        try:
            return send("GET", f"http://127.0.0.1:{free_port}/metrics").body
        except OSError:
            return b""

    text = wait_for(scraped, what="the metrics port", within=30)

    assert b"# TYPE gateway_http_request_duration_seconds histogram" in text
    assert b"process_start_time_seconds" in text
    # gunicorn opens it last: one that is stopped before may end by the signal itself, after its workers.
    wait_for(lambda: "Control socket listening" in process.log_file.read_text(), what="gunicorn to be up", within=30)
    process.stop()
    assert process.exit_code == 0
    assert scraped() == b""
    assert not UNWANTED.search(process.log_file.read_text()), process.log_tail()
