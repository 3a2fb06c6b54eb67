"""Whose a sample is: the group of modules that was at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.profiling.raw import INSTALLED, OURS

if TYPE_CHECKING:
    from tests.bench.profiling.raw import Frame, Stack

OTHERS = "other modules"
LOOP = "asyncio/uvloop"

# The first that fits. cloudevents is what functions-framework opens events with.
_OURS = {
    "core/kube/": "core.kube",
    "core/signals/": "core.signals",
    "core/": "rest of core",
    "functions/": "functions",
}
_INSTALLED = {
    "uvicorn": "uvicorn",
    "starlette": "starlette/functions-framework",
    "functions_framework": "starlette/functions-framework",
    "cloudevents": "starlette/functions-framework",
    "pydantic": "pydantic",
    "pydantic_core": "pydantic",
    "prometheus_client": "prometheus_client",
    "uvloop": LOOP,
}
GROUPS = (*dict.fromkeys([*_OURS.values(), *_INSTALLED.values()]), OTHERS)


def group_of(stack: Stack) -> str:
    """Return the group of the innermost frame; the standard library, but for asyncio, works for whoever called it."""
    found = (_group(frame) for frame in reversed(stack.frames))
    return next((group for group in found if group), OTHERS)


def _group(frame: Frame) -> str:
    if frame.origin == OURS:
        return next((group for prefix, group in _OURS.items() if frame.file.startswith(prefix)), OTHERS)
    package = frame.file.partition("/")[0].removesuffix(".py")
    if frame.origin == INSTALLED:
        return _INSTALLED.get(package, OTHERS)
    return LOOP if package == "asyncio" else ""
