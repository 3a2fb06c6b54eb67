"""Alertmanager is found or fetched; where it cannot be had, tests say so, and fail in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.alertmanager import require_alertmanager
from tests.e2e.alertmanager_binary import MissingAlertmanagerError, find_alertmanager

DOWNLOADS = 'case "$*" in *download*) : > package.deb;; esac; echo "$@" >> "$XDG_CACHE_HOME/calls"'
UNPACKS = (
    'mkdir -p "$3/usr/bin"; echo "reads /usr/share/prometheus/alertmanager" > "$3/usr/bin/prometheus-alertmanager"'
)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A machine with nothing but a shell's needs, and an empty cache."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "tools" / "mkdir").symlink_to("/bin/mkdir")
    return {"PATH": str(tmp_path / "tools"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_installed_one_is_preferred(environ: dict[str, str]) -> None:
    installed = _add_tool(environ, "alertmanager")

    assert find_alertmanager(environ=environ).path == installed


def test_debian_s_package_is_fetched_once(environ: dict[str, str]) -> None:
    _add_tool(environ, "apt-get", DOWNLOADS)
    _add_tool(environ, "dpkg-deb", UNPACKS)

    first = find_alertmanager(environ=environ)

    assert find_alertmanager(environ=environ) == first
    assert first.path.is_relative_to(environ["XDG_CACHE_HOME"])
    assert len(Path(environ["XDG_CACHE_HOME"], "calls").read_text().splitlines()) == 2
    assert [path.name for path in first.folder.parent.iterdir() if path.is_dir()] == ["prometheus-alertmanager"]


def test_fetched_one_reads_its_templates_below_its_own_folder(environ: dict[str, str]) -> None:
    _add_tool(environ, "apt-get", DOWNLOADS)
    _add_tool(environ, "dpkg-deb", UNPACKS)

    found = find_alertmanager(environ=environ)

    assert found.path.read_text() == "reads usr//share/prometheus/alertmanager\n"
    assert found.path.is_relative_to(found.folder / "usr")


def test_machine_without_apt_is_told_what_to_install(environ: dict[str, str]) -> None:
    with pytest.raises(MissingAlertmanagerError, match=r"without apt-get Debian's package cannot be fetched; install"):
        find_alertmanager(environ=environ)


def test_what_apt_said_is_passed_on(environ: dict[str, str]) -> None:
    _add_tool(environ, "apt-get", "echo 'E: no network'; exit 100")
    _add_tool(environ, "dpkg-deb")

    with pytest.raises(MissingAlertmanagerError, match=r"apt-get update said: E: no network\. Install Alertmanager\."):
        find_alertmanager(environ=environ)
    assert list(Path(environ["XDG_CACHE_HOME"]).rglob("*prometheus*")) == []


def test_without_one_tests_are_skipped_with_the_reason(environ: dict[str, str]) -> None:
    with pytest.raises(pytest.skip.Exception, match="There is no Alertmanager"):
        require_alertmanager(environ=environ)


def test_without_one_tests_fail_in_ci(environ: dict[str, str]) -> None:
    with pytest.raises(pytest.fail.Exception, match="There is no Alertmanager"):
        require_alertmanager(environ=environ | {"CI": "true"})


def _add_tool(environ: dict[str, str], name: str, script: str = "exit 0") -> Path:
    tool = Path(environ["PATH"], name)
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return tool
