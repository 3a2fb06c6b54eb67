"""The Chromium that the machine has: it comes from no registry of Python's."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "there is no Chromium in PATH; on Debian and Ubuntu: apt-get install chromium (81 MB)"


def find_chromium(path: str | None = None) -> str | None:
    """Return the first that is found in `path` (PATH without it), None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name, path=path))), None)


def chromium_options() -> list[str]:
    """Return what it must be started with here: its sandbox refuses root."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []
