"""Makes a mistake in a function, and mends it again.

A mistake names the function as an object and changes its syntax tree, so it survives what changes nothing: the
function moved to another module, renamed together with its users, formatted anew, its lines in another order.
The function's code is swapped, not the function, so that whoever has imported it runs the mistake too.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Protocol

from tests.simulation.patterns import Swap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Edit(Protocol):
    """A change of one function."""

    @property
    def function(self) -> Callable[..., object]:
        """The function or method that it changes."""

    def change(self, node: FunctionNode) -> None:
        """Change the function's syntax tree. ValueError where it no longer has what is to be changed."""


@dataclass(frozen=True, slots=True)
class Prepend:
    """A statement put before the function's body: `return False`, or another value for a parameter."""

    function: Callable[..., object]
    statement: str

    def change(self, node: FunctionNode) -> None:
        """Put the statement first."""
        node.body[:0] = ast.parse(self.statement).body


@dataclass(frozen=True, slots=True)
class Replace:
    """An expression of the function, and what stands there instead (tests.simulation.patterns says how both are
    written). The function must have it exactly once."""

    function: Callable[..., object]
    old: str
    new: str

    def change(self, node: FunctionNode) -> None:
        """Put `new` in the place of `old`."""
        swap = Swap(self.old, self.new)
        swap.visit(node)
        if swap.found != 1:
            raise ValueError(f"{self.function.__qualname__} has {swap.found} times, not once: {self.old}")


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
        ValueError: a function no longer has what is to be replaced, or has it twice.
    """
    with ExitStack() as stack:
        for edit in mutation.edits:
            stack.enter_context(_edited(edit))
        yield


@contextmanager
def _edited(edit: Edit) -> Iterator[None]:
    function = _plain(edit.function)
    kept = function.__code__
    function.__code__ = _changed(function, edit)
    try:
        yield
    finally:
        function.__code__ = kept


def _plain(function: object) -> FunctionType:
    """Return the function itself: of a bound method (a classmethod is one), and below decorators that say so."""
    found = inspect.unwrap(getattr(function, "__func__", function))  # type: ignore[arg-type]
    if not isinstance(found, FunctionType):
        raise TypeError(f"{function} is no function: a property is named by its fget")
    return found


def _changed(function: FunctionType, edit: Edit) -> CodeType:
    """Return the function's code with the change, compiled as a part of its whole module."""
    module = importlib.import_module(function.__module__)
    tree = ast.parse(inspect.getsource(module))
    edit.change(_node(tree, function))
    ast.fix_missing_locations(tree)
    return _code(compile(tree, function.__code__.co_filename, "exec", dont_inherit=True), function)


def _node(tree: ast.Module, function: FunctionType) -> FunctionNode:
    found: ast.Module | ast.ClassDef | FunctionNode = tree
    for name in function.__qualname__.split("."):
        # Where a name is given twice, the last one counts.
        found = [each for each in found.body if isinstance(each, FunctionNode | ast.ClassDef) and each.name == name][-1]
    assert isinstance(found, FunctionNode), function.__qualname__
    return found


def _code(code: CodeType, function: FunctionType) -> CodeType:
    for name in function.__qualname__.split("."):
        code = [each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == name][-1]
    return code
