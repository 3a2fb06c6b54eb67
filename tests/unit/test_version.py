"""The version has one place; whatever else names it says the same."""

import re
import tomllib
from pathlib import Path

from prometheus_client import CollectorRegistry

from core.metrics import Metrics
from core.triggers.descriptions import ALERTMANAGER
from core.version import USER_AGENT, VERSION
from functions._openapi import document

ROOT = Path(__file__).parents[2]
IMAGE = re.compile(r"(?:sluice:|newTag: )(\d+\.\d+\.\d+)")


def test_build_reads_the_version_where_the_functions_do():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    hatch = project["tool"]["hatch"]["version"]
    assert project["project"]["dynamic"] == ["version"]
    found = re.search(hatch["pattern"], (ROOT / hatch["path"]).read_text())
    assert found
    assert found["version"] == VERSION


def test_every_image_is_tagged_with_it():
    files = [ROOT / "README.md", *(ROOT / "knative").rglob("*.yaml"), ROOT / "knative" / "image" / "Dockerfile"]
    tags = [tag for file in files for tag in IMAGE.findall(file.read_text())]
    assert len(tags) >= 5
    assert set(tags) == {VERSION}


def test_it_is_in_metrics_openapi_and_user_agent():
    registry = CollectorRegistry()
    Metrics(registry=registry)
    assert registry.get_sample_value("gateway_build_info", {"version": VERSION}) == 1
    assert f'"version":"{VERSION}"' in document({"/": ALERTMANAGER}).decode()
    assert f"sluice/{VERSION}" == USER_AGENT
