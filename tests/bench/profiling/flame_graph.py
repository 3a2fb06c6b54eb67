"""A call tree as a picture: the wider a function, the more samples it was in; what it called is below it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.profiling.call_tree import Call

_WIDTH, _ROW, _LETTER = 1200, 16, 6.2  # pixels
_SHORTEST = 3  # letters: less of a name says nothing


def flame_graph(tree: Call) -> Markup:
    """Return an SVG without scripts, whose titles tell each function in full and its share."""
    height = _depth(tree) * _ROW
    size = f'viewBox="0 0 {_WIDTH} {height}" width="100%"'
    style = 'font-family="monospace" font-size="10"'
    boxes = Markup().join(_boxes(tree, left=0.0, depth=0, scale=_WIDTH / max(1, tree.samples)))
    return Markup(f'<svg class="flame" {size} {style}>') + boxes + Markup("</svg>")


def _depth(call: Call) -> int:
    return 1 + max((_depth(one) for one in call.calls), default=0)


def _boxes(call: Call, *, left: float, depth: int, scale: float) -> Iterator[Markup]:
    yield _box(call, left=left, top=depth * _ROW, scale=scale, share=call.samples * scale / _WIDTH)
    for one in call.calls:
        yield from _boxes(one, left=left, depth=depth + 1, scale=scale)
        left += one.samples * scale


def _box(call: Call, *, left: float, top: int, scale: float, share: float) -> Markup:
    width = call.samples * scale
    box = Markup('<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="hsl(%d 75%% 72%%)" stroke="white"/>') % (
        left,
        top,
        width,
        _ROW,
        20 + crc32(call.name.partition(".")[0].encode()) % 200,  # one package, one colour
    )
    letters = int(width / _LETTER)
    label = call.name if len(call.name) <= letters else call.name.rpartition(".")[2][:letters]
    words = Markup('<text x="%.1f" y="%d">%s</text>') % (left + 2, top + _ROW - 4, label)
    return Markup("<g><title>%s, %.1f %%</title>%s%s</g>") % (
        call.name,
        share * 100,
        box,
        words if letters >= _SHORTEST else "",
    )
