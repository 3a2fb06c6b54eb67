"""The Alertmanager that tests run, and its amtool, built from its Go module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.gobuild import ModuleCopy, Report, to_stderr

if TYPE_CHECKING:
    from pathlib import Path

_ALERTMANAGER = ModuleCopy(
    name="alertmanager",
    module="github.com/prometheus/alertmanager",
    version="v0.35.0",
    digest="h1:nbXMjr+P2JaoFd7aHNDxKifEwTPN+TWxM0gNPonuH5w=",
    packages=("cmd/alertmanager", "cmd/amtool"),
    # Its web pages, which are made with Node and are in no module.
    files={f"ui/app/dist/{each}/index.html": "no web pages here\n" for each in ("elm", "mantine")},
    duration="90 seconds",
)


def alertmanager(*, report: Report = to_stderr) -> Path:
    """The server's binary. Raises BuildError."""
    return _ALERTMANAGER.build(report=report) / "alertmanager"


def amtool(*, report: Report = to_stderr) -> Path:
    """Its tool, which judges a configuration. Raises BuildError."""
    return _ALERTMANAGER.build(report=report) / "amtool"
