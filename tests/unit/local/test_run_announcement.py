"""`sluice demo` finds what `sluice run` serves, and never what is gone."""

from pathlib import Path

import pytest

from core.local.running import Running, announced, find_running, state_folder

URL = "http://127.0.0.1:8080"
RUNNING = Running(
    pid=1,
    url=URL,
    kubeconfig="/tmp/k",
    context="sluice-embedded",
    server="http://127.0.0.1:1",
    embedded=True,
    namespace="ns",
    group="remediation.kubernaut.ai",
    version="v1alpha1",
)


@pytest.mark.parametrize("url", [URL, "http://localhost:8080", "http://localhost:8080/"])
def test_running_function_is_found_by_its_port(tmp_path: Path, url: str) -> None:
    with announced(RUNNING, folder=tmp_path / "sluice"):
        assert find_running(url, folder=tmp_path / "sluice") == RUNNING


def test_port_80_need_not_be_written(tmp_path: Path) -> None:
    running = RUNNING.model_copy(update={"url": "http://127.0.0.1"})
    with announced(running, folder=tmp_path):
        assert find_running("http://127.0.0.1:80", folder=tmp_path) == running


def test_nothing_is_found_after_its_end(tmp_path: Path) -> None:
    with announced(RUNNING, folder=tmp_path):
        pass
    assert find_running(URL, folder=tmp_path) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8081", "http://gateway.example:8080", "http://[::1]:8080", "http://127.0.0.2:8080"]
)
def test_other_ports_and_other_hosts_are_not_ours(tmp_path: Path, url: str) -> None:
    with announced(RUNNING, folder=tmp_path):
        assert find_running(url, folder=tmp_path) is None


def test_file_of_a_killed_process_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "run-8080.json").write_text(RUNNING.model_dump_json())
    assert find_running(URL, folder=tmp_path) is None


def test_file_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "run-8080.json").write_text("x" * 1000)
    with announced(RUNNING, folder=tmp_path):
        assert find_running(URL, folder=tmp_path) == RUNNING


def test_half_written_file_is_not_believed(tmp_path: Path) -> None:
    with announced(RUNNING, folder=tmp_path):
        (tmp_path / "run-8080.json").write_text('{"pid": 1')
        assert find_running(URL, folder=tmp_path) is None


def test_two_cannot_announce_one_port(tmp_path: Path) -> None:
    with (
        announced(RUNNING, folder=tmp_path),
        pytest.raises(OSError, match="unavailable"),
        announced(RUNNING, folder=tmp_path),
    ):
        pass


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    with announced(RUNNING, folder=tmp_path / "sluice"):
        assert (tmp_path / "sluice").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "sluice" / "run-8080.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_RUNTIME_DIR": "/run/user/1", "XDG_CACHE_HOME": "/c"}, Path("/run/user/1/sluice")),
        ({"XDG_CACHE_HOME": "/c"}, Path("/c/sluice")),
        ({}, Path.home() / ".cache" / "sluice"),
    ],
)
def test_folder_is_the_user_s_own(environ: dict[str, str], folder: Path) -> None:
    assert state_folder(environ) == folder
