"""The documentation builds as a site, strictly: every page has its place, every link leads somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import core

ROOT = Path(__file__).parents[2]
PARTS = ("docs", "knative", "mkdocs.yml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE")


def build(project: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=project,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT, folder)
    assert built.returncode == 0, built.stderr
    return folder


def test_readme_is_the_first_page_and_its_links_lead_to_pages_of_the_site(site: Path) -> None:
    first = (site / "index.html").read_text()
    assert 'href="deploy.html"' in first
    assert 'href="project/LICENSE"' in first
    assert (site / "project" / "LICENSE").is_file()
    assert (site / "console.png").is_file()


def test_diagrams_are_left_to_mermaid(site: Path) -> None:
    assert '<pre class="mermaid">' in (site / "protocol.html").read_text()


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r'<(?:script|img|link rel="stylesheet")[^>]* (?:src|href)="?([^" >]+)')
    assert [link for page in site.rglob("*.html") for link in loaded.findall(page.read_text()) if "//" in link] == []
    # The theme loads Mermaid from a CDN where no script of the page has brought it.
    assert "assets/mermaid.js" in loaded.findall((site / "protocol.html").read_text())
    assert 'globalThis["mermaid"]' in (site / "assets" / "mermaid.js").read_text()


def test_files_that_pages_name_come_along(site: Path) -> None:
    assert (site / "project" / "knative" / "examples" / "alertmanager.yml").is_file()
    assert "consumer/consumer.py" in (site / "project" / "knative" / "examples" / "index.html").read_text()


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("reference/commands.html", ["sluice prune", "--older-than", "sluice rules check"]),
        ("reference/openapi.html", ["/api/v1/signals/prometheus"]),
        ("reference/python.html", [*core.__all__, "Connected.receive", "(kubernaut: LockDurationSeconds)"]),
    ],
)
def test_reference_is_made_from_the_code(site: Path, page: str, said: list[str]) -> None:
    text = (site / page).read_text()
    assert [each for each in said if each not in text] == []


def test_links_that_lead_nowhere_stop_the_build(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, project / part)
        else:
            shutil.copy(ROOT / part, project / part)
    with (project / "docs" / "rules.md").open("a") as page:
        page.write("\n[a](nowhere.md) [b](settings.md#no-such-heading) [c](../knative/nowhere.yaml)\n")

    broken = build(project, tmp_path / "site")

    assert broken.returncode == 1
    said = ("nowhere.md", "no-such-heading", "knative/nowhere.yaml")
    assert [each for each in said if each not in broken.stderr] == []
