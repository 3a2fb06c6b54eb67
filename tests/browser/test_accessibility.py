"""The console breaks no rule of WCAG 2 A and AA that axe-core can judge: light and dark, list, drawer, keys, phone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from core.local.viewing.commands import PHASES
from tests.browser.world import ROWS, World, serving, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.browser

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SCREENS = {"desktop": {"width": 1280, "height": 720}, "phone": {"width": 360, "height": 740}}


async def violations(page: Any) -> list[str]:
    """What axe-core finds: the rule, and where."""
    from axe_playwright_python.async_playwright import Axe

    found = await Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG}})
    assert len(found.response["passes"]) > 5, "axe-core looked at nothing"
    return [
        f"{each['id']} ({each['impact']}): {json.dumps([node['html'][:120] for node in each['nodes'][:3]])}"
        for each in found.response["violations"]
    ]


@pytest.fixture(params=["light", "dark"])
async def page(request: pytest.FixtureRequest, browser: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """An open page with an RR in each phase, some of several alerts."""
    monkeypatch.setenv("KUBECONFIG", "")
    async with serving(browser, color_scheme=request.param, reduced_motion="reduce") as world:
        for number, phase in enumerate(PHASES):
            await world.create(f"rr-{number}", count=number + 1, phase=phase, signalLabels={"alertname": "Slow"})
        page = await world.open()
        await world.rows(len(PHASES))
        assert await page.evaluate("document.documentElement.dataset.theme") == request.param
        yield page


async def test_list_drawer_and_keys_break_no_rule(page: Any):
    for size in SCREENS.values():  # one page for both: a Chromium takes a second to start
        await page.set_viewport_size(size)
        await until(page, f"document.querySelectorAll('{ROWS}').length === {len(PHASES)}")
        assert await violations(page) == []
        await page.click(f"{ROWS} >> nth=2")
        await page.wait_for_selector("#drawer pre")
        assert await violations(page) == []
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        await page.wait_for_selector("#help[open]")
        assert await violations(page) == []
        await page.keyboard.press("Escape")


async def test_empty_list_and_the_line_that_it_is_stale_break_no_rule(world: World):
    page = await world.open()
    assert await page.is_visible("#empty")
    assert await violations(page) == []
    await page.route("**/*", lambda route: route.abort())
    await page.evaluate("document.querySelector('#stale').hidden = false")
    await page.evaluate("document.querySelector('#stale').textContent = 'Out of date: the server is away.'")
    assert await violations(page) == []


async def test_check_finds_what_is_wrong(world: World):
    page = await world.open()
    await page.evaluate("document.querySelector('#theme').removeAttribute('aria-label')")
    await page.evaluate("document.querySelector('#theme').textContent = ''")
    (found,) = await violations(page)
    assert found.startswith("button-name (critical)")
