"""Mermaid reads each diagram of the pages; a page shows a drawing of an error where it does not."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import PAGES, fences

pytestmark = pytest.mark.browser


async def test_every_diagram_can_be_drawn(browser: Any):
    found = find_spec("mermaidx")
    assert found
    assert found.origin
    diagrams = [(page.name, code) for page in PAGES for code in fences(page, "mermaid")]
    page = await browser.new_page()
    await page.add_script_tag(path=str(Path(found.origin).parent / "assets" / "mermaid.js"))
    reads = "async code => { try { await mermaid.parse(code); return '' } catch (error) { return String(error) } }"

    assert {name for name, _ in diagrams} >= {"architecture.md", "protocol.md", "alerts.md"}
    assert await page.evaluate(reads, "sequenceDiagram\n  nonsense") != ""
    assert [(name, why) for name, code in diagrams if (why := await page.evaluate(reads, code))] == []
