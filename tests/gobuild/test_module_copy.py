"""Programs of a module that lacks files: all built at once, in a copy, and only from the module that was meant."""

import json
import sysconfig
from pathlib import Path

import pytest

from tests.gobuild import BuildError, ModuleCopy

# Stands in for Go: gives the module that the test has made, and compiles a copy of its page into each program.
GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.99.0; exit; fi
if [ "$1" = mod ]; then cat {folder}/answer; exit; fi
echo build >> {folder}/builds
{body}
while [ "$1" != -o ]; do shift; done
out=$2; shift 2
for package; do cat page.html > "$out${{package##*/}}"; done
"""
PROGRAMS = ModuleCopy(
    name="shop",
    module="sluice.test/shop",
    version="v1.2.3",
    digest="h1:right",
    packages=("cmd/shop", "cmd/till"),
    files={"page.html": "made here\n"},
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a Go that can have the module, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path / "scripts"))
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module sluice.test/shop\n\ngo 1.26.0\n")
    module.chmod(0o555)  # as Go's cache is
    install_go(tmp_path)
    answer_download(tmp_path, digest="h1:right")
    return tmp_path


def test_all_programs_are_built_at_once_with_the_files_that_the_module_lacks(folder: Path) -> None:
    built = PROGRAMS.build(report=lambda _: None)

    assert {each.name: each.read_text() for each in built.iterdir()} == {"shop": "made here\n", "till": "made here\n"}
    assert builds(folder) == 1
    assert not (folder / "module" / "page.html").exists()


def test_second_call_finds_the_programs_of_the_first(folder: Path) -> None:
    lines: list[str] = []
    first = PROGRAMS.build(report=lines.append)

    assert PROGRAMS.build(report=lines.append) == first
    assert builds(folder) == 1
    assert [line.split()[0] for line in lines] == ["building", "built"]


def test_module_with_another_digest_is_not_built(folder: Path) -> None:
    answer_download(folder, digest="h1:wrong")

    with pytest.raises(BuildError, match=r"sluice\.test/shop@v1\.2\.3 has the digest h1:wrong, not h1:right"):
        PROGRAMS.build(report=lambda _: None)
    assert builds(folder) == 0


def test_failed_build_leaves_no_program_and_says_why(folder: Path) -> None:
    install_go(folder, body="echo 'main.go:3: undefined: till' >&2; exit 2")

    with pytest.raises(BuildError, match=r"shop cannot be built: go build ended with 2:\nmain.go:3: undefined: till"):
        PROGRAMS.build(report=lambda _: None)
    assert [path.suffix for path in (folder / "cache" / "sluice").iterdir()] == [".lock"]


def install_go(folder: Path, *, body: str = "") -> None:
    go = folder / "bin" / "go"
    go.parent.mkdir(exist_ok=True)
    go.write_text(GO.format(folder=folder, body=body))
    go.chmod(0o755)


def answer_download(folder: Path, *, digest: str) -> None:
    (folder / "answer").write_text(json.dumps({"Dir": str(folder / "module"), "Sum": digest}))


def builds(folder: Path) -> int:
    log = folder / "builds"
    return len(log.read_text().splitlines()) if log.exists() else 0
