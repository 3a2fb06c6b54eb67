"""Makes a mistake in the protocol, and mends it again: one line of a module's function is replaced.

The code of the functions is swapped, not the module, so that whoever has imported them runs it too.
"""

from __future__ import annotations

import importlib
import inspect
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Edit:
    """One line of a module's function, and what stands there instead. `old` must be there exactly once."""

    module: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """A mistake; `caught_by` is the first seed that finds it."""

    name: str
    caught_by: int
    edits: tuple[Edit, ...]


@contextmanager
def applied(mutation: Mutation) -> Iterator[None]:
    """Make the mistake, in all modules that already use the function too, and mend it again.

    Raises:
        ValueError: a line is not there (any more), is there twice, or is in no function.
    """
    with ExitStack() as stack:
        for edit in mutation.edits:
            stack.enter_context(_edited(edit))
        yield


@contextmanager
def _edited(edit: Edit) -> Iterator[None]:
    module = importlib.import_module(edit.module)
    source = inspect.getsource(module)
    if source.count(edit.old) != 1:
        raise ValueError(f"{edit.module} has {source.count(edit.old)} times, not once: {edit.old}")
    before, after = _codes(source, module), _codes(source.replace(edit.old, edit.new), module)
    changed = [(before[name], code) for name, code in after.items() if before[name][1] != code[1]]
    if not changed:
        raise ValueError(f"{edit.module}: this line is in no function: {edit.old}")
    kept = [(function, function.__code__) for (function, _), _ in changed]
    for (function, _), (_, code) in changed:
        function.__code__ = code
    try:
        yield
    finally:
        for function, code in kept:
            function.__code__ = code


def _codes(source: str, module: Any) -> dict[str, tuple[FunctionType, CodeType]]:
    """Return the module's functions and methods, each with its code as compiled from `source`."""
    found = {}
    waiting = [compile(source, module.__file__, "exec", dont_inherit=True)]
    while waiting:
        for code in waiting.pop().co_consts:
            if not isinstance(code, CodeType) or "<" in code.co_qualname:
                continue
            function = _resolved(module, code.co_qualname)
            if isinstance(function, FunctionType):
                found[code.co_qualname] = (function, code)
            else:
                waiting.append(code)
    return found


def _resolved(module: Any, qualname: str) -> Any:
    owner = module
    for name in qualname.split("."):
        owner = inspect.getattr_static(owner, name)
    if isinstance(owner, property):
        return owner.fget
    return owner.__func__ if isinstance(owner, staticmethod | classmethod) else owner
