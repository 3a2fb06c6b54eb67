"""Which Prometheus the tests run: the one installed, else Debian's, fetched once."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.debian import MissingPackageError, fetched_package


@dataclass(frozen=True)
class Prometheus:
    """Its two programs."""

    prometheus: Path
    promtool: Path


def find_prometheus() -> Prometheus:
    """Look in PATH, then in the cache, then fetch Debian's package. Without one a test is skipped; it fails in CI."""
    installed = [shutil.which(name) for name in ("prometheus", "promtool")]
    if all(installed):
        return Prometheus(*(Path(found or "") for found in installed))
    try:
        programs = fetched_package("prometheus") / "usr" / "bin"
    except MissingPackageError as error:
        if os.environ.get("CI"):
            pytest.fail(f"there is no Prometheus: {error}")
        pytest.skip(f"there is no Prometheus: {error}")
    return Prometheus(programs / "prometheus", programs / "promtool")
