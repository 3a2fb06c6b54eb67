"""The console in headless Chromium: what it shows, live, under hostile content, by keyboard, with 5,000 RRs."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from core.common.clock import RealClock
from core.local.cluster import embedded_cluster
from core.local.console import Console
from core.local.viewing.reader import Reader, Where
from tests.browser.world import ROWS, SETTINGS, World, serving, until
from tests.e2e.test_make_run import SluiceRun

pytestmark = pytest.mark.browser

PICTURE = Path(__file__).parents[2] / "docs" / "console.png"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


async def test_shows_what_is_there_and_what_comes(world: World):
    await world.create("rr-one", count=7)
    page = await world.open()
    (row,) = await world.rows(1)
    assert row.split("\t")[:5] == ["Pending", "prod/Pod/web", "HighMemoryUsage", "critical", "7"]
    assert await page.inner_text("#alerts") == "7"
    await world.create("rr-two", signalName="Slow")
    assert any("Slow" in row for row in await world.rows(2))
    await world.count("rr-two", 3000)
    await until(page, "document.querySelector('#alerts').textContent === '3,007'")
    assert await page.query_selector_all("#timeline rect")


async def test_hostile_content_stays_text(world: World):
    labels = {"alertname": HOSTILE, "x": HOSTILE}
    await world.create("rr-one", signalName=HOSTILE[:250], signalLabels=labels, originalPayload=HOSTILE)
    page = await world.open()
    assert HOSTILE in (await world.rows(1))[0]
    await page.click(ROWS)
    await page.wait_for_selector("#drawer pre")
    assert await page.inner_text("#drawer pre") == HOSTILE
    assert await page.evaluate("document.querySelectorAll('main img, #drawer img, #drawer script').length") == 0
    assert "owned" not in await page.title()


async def test_works_by_keyboard_alone(world: World):
    for number in range(5):
        await world.create(f"rr-{number}", signalName=f"Alert{number}", signalFingerprint=f"{number:064x}")
    page = await world.open()
    await world.rows(5)
    await page.keyboard.press("/")
    await page.keyboard.type("alert3")
    await until(page, f"document.querySelectorAll('{ROWS}').length === 1")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#drawer pre")
    assert await page.inner_text("#drawer dd >> nth=1") == "Alert3"
    await page.keyboard.press("Escape")
    assert await page.is_hidden("#drawer")
    await page.keyboard.press("Escape")
    await until(page, f"document.querySelectorAll('{ROWS}').length === 5")
    theme = "document.documentElement.dataset.theme"
    before = await page.evaluate(theme)
    await page.keyboard.press("d")
    assert {before, await page.evaluate(theme)} == {"dark", "light"}


async def test_phases_choose_and_history_shows_the_workload_s_others(world: World):
    await world.create("rr-old")
    await world.create("rr-new")
    await world.create("rr-other", signalFingerprint="b" * 64)
    page = await world.open()
    await world.rows(3)
    await page.click(f"{ROWS}:has-text('rr-new')")
    await page.wait_for_selector("#drawer ol")
    history = await page.inner_text("#drawer ol")
    assert "rr-old" in history
    assert "rr-new" in history
    assert "rr-other" not in history
    await page.click("#close")
    await page.click("#phases button")
    assert await page.get_attribute("#phases button", "aria-pressed") == "true"


async def test_says_that_it_is_stale_and_goes_on_by_itself(browser: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KUBECONFIG", "")
    async with embedded_cluster(SETTINGS) as cluster:
        page = await browser.new_page()
        where = Where(kubeconfig=cluster.kubeconfig, namespace="ns")
        async with Console(Reader(settings=SETTINGS, where=where), clock=RealClock(), port=0) as first:
            await page.goto(first.url)
            await page.wait_for_selector("#state.live")
            port = int(first.url.rstrip("/").rpartition(":")[2])
        await page.wait_for_selector("#stale:not([hidden])")
        assert "Out of date: the console does not answer" in await page.inner_text("#stale")
        async with Console(Reader(settings=SETTINGS, where=where), clock=RealClock(), port=port):
            await page.wait_for_selector("#state.live", timeout=60_000)
            assert await page.is_hidden("#stale")
            await page.close()


@pytest.mark.long
async def test_five_thousand_are_drawn_as_few(world: World):
    for number in range(5000):
        await world.create(f"rr-{number:04}", signalFingerprint=f"{number:064x}")
    page = await world.open()
    assert 0 < len(await world.rows(5000)) < 80
    await page.evaluate("document.querySelector('#list').scrollTop = 1e9")
    await until(page, "document.querySelector('#rows').lastElementChild.offsetHeight <= 1")
    await page.evaluate(
        """async () => {
            const list = document.querySelector("#list");
            for (let step = 0; step < 60; step++) {
                list.scrollTop = step * 997;
                await new Promise(requestAnimationFrame);
            }
        }"""
    )
    assert 0 < len(await world.rows(5000)) < 80


async def test_fits_a_phone(browser: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KUBECONFIG", "")
    async with serving(browser, viewport={"width": 360, "height": 740}) as world:
        await world.create("rr-one", targetResource={"kind": "Deployment", "name": "x" * 200, "namespace": "shop"})
        page = await world.open()
        await world.rows(1)
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not await page.evaluate(wide)
        await page.click(ROWS)
        await page.wait_for_selector("#drawer pre")
        assert not await page.evaluate(wide)


@pytest.mark.long
async def test_picture_of_the_documentation_shows_a_burst(browser: Any, tmp_path: Path):
    with SluiceRun(tmp_path) as run:
        await asyncio.to_thread(run.wait_for, "Logs follow")
        page = await browser.new_page(viewport={"width": 1280, "height": 720})
        await page.goto(run.line("console ").split()[1])
        await page.wait_for_selector("#state.live")
        burst = await asyncio.to_thread(run.demo, "--alerts", "3000", "--workloads", "300")
        assert burst.returncode == 0, burst.stdout
        await until(page, "document.querySelector('#rrs').textContent === '300'")
        picture = await page.screenshot()
        if os.environ.get("SLUICE_SCREENSHOTS"):
            await asyncio.to_thread(PICTURE.write_bytes, picture)
        await page.close()
        assert await asyncio.to_thread(run.end_by, signal.SIGINT) == 0
