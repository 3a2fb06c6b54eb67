"""A headless Chromium, the one that the machine has, and a console to look at with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.chromium import MISSING, chromium_options, find_chromium
from tests.browser.world import World, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright

    found = find_chromium()
    assert found, MISSING
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=found, args=chromium_options())
        yield chromium
        await chromium.close()


@pytest.fixture
async def world(browser: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("KUBECONFIG", "")
    async with serving(browser) as found:
        yield found
