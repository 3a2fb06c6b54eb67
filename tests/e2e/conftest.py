from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.apiserver import KubeApiserver
from tests.e2e.function import PATIENT, PRODUCTION, FunctionProcess
from tests.support.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Protocol

    from tests.apiserver import Binaries

    class StartFunction(Protocol):
        def __call__(
            self, *, command: Sequence[str] = PRODUCTION, ready: bool = True, **environment: str
        ) -> FunctionProcess:
            """Start a function for this test on the test's own namespace; `ready`: wait until it is."""


HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("e2e")


@pytest.fixture(scope="session")
def _breakable_apiserver(kube_apiserver_binaries: Binaries) -> Iterator[KubeApiserver]:
    with KubeApiserver(binaries=kube_apiserver_binaries) as server:
        yield server


@pytest.fixture
def breakable_apiserver(_breakable_apiserver: KubeApiserver) -> KubeApiserver:
    """One that runs, and that a test may stop or pause; it is to resume it."""
    if _breakable_apiserver.pid is None:
        _breakable_apiserver.start()
    return _breakable_apiserver


@pytest.fixture
def cluster(kube_apiserver: KubeApiserver) -> Cluster:
    return Cluster(kube_apiserver)


@pytest.fixture
def gateway_environment(cluster: Cluster, tmp_path: Path) -> dict[str, str]:
    """What docs/deploy.md tells an operator to set, with time enough."""
    kubeconfig = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    named = {"KUBECONFIG": str(kubeconfig), "SLUICE_NAMESPACE": cluster.namespace, "SLUICE_AUTH": "none"}
    return named | PATIENT


@pytest.fixture
def start_function(gateway_environment: dict[str, str], tmp_path: Path) -> Iterator[StartFunction]:
    with ExitStack() as running:

        def start(*, command: Sequence[str] = PRODUCTION, ready: bool = True, **environment: str) -> FunctionProcess:
            folder = tmp_path / f"function-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            function = FunctionProcess(folder=folder, environment=gateway_environment | environment, command=command)
            running.enter_context(function)
            if ready:
                function.wait_until_ready()
            return function

        yield start
