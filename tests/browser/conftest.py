"""A headless Chromium, the one that the machine has."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright

    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, "There is no Chromium in PATH; on Debian: apt-get install chromium (81 MB)"
    options = ["--no-sandbox"] if os.geteuid() == 0 else []  # its sandbox refuses root
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=found, args=options)
        yield chromium
        await chromium.close()
