"""Pytest fixtures: one kube-apiserver for all tests that only use it, and one of its own for a test that breaks it."""

from collections.abc import Iterator

import pytest

from tests.apiserver.binaries import Binaries, find_binaries
from tests.apiserver.build import BuildError
from tests.apiserver.server import KubeApiserver

OUTSIDER = "outsider"
_FIXTURES = {"kube_apiserver", "own_kube_apiserver", "kube_apiserver_binaries"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the server, so that `-m "not real"` leaves it out."""
    for item in items:
        if _FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("real")


@pytest.fixture(scope="session")
def kube_apiserver_binaries(pytestconfig: pytest.Config) -> Binaries:
    """What to run, built when it is not there yet. Where it cannot be had, tests fail: skipped, they prove nothing."""
    try:
        return find_binaries(report=lambda line: _show(pytestconfig, line))
    except BuildError as error:
        reason = str(error)
    pytest.fail(f"This test needs a real kube-apiserver. {reason}", pytrace=False)


@pytest.fixture(scope="session")
def kube_apiserver(kube_apiserver_binaries: Binaries) -> Iterator[KubeApiserver]:
    """The session's server. Leave it running, and keep to a namespace of your own.

    Besides its admin it knows the user `outsider`, who may do nothing: `token_of("outsider")`.
    """
    server = KubeApiserver(binaries=kube_apiserver_binaries)
    server.add_token(OUTSIDER)
    with server:
        yield server


@pytest.fixture
def own_kube_apiserver(kube_apiserver_binaries: Binaries) -> Iterator[KubeApiserver]:
    """A server for this test alone, which may kill, pause and restart it; it costs about 3 seconds."""
    with KubeApiserver(binaries=kube_apiserver_binaries) as server:
        yield server


def _show(config: pytest.Config, line: str) -> None:
    """Past pytest's capture: who waits four minutes wants to know for what."""
    capture = config.pluginmanager.getplugin("capturemanager")
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(line)
