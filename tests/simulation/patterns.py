"""Patterns of expressions, in the manner of Semgrep's.

A single capital letter stands for any expression, the same one where it comes again, and may be used in what
stands instead; `...` at the end of a call's arguments or of an `and` or `or` stands for any more of them.
`A >= B + _ROUNDING_SECONDS` matches whatever the two values are called. Layout and comments play no part.
"""

from __future__ import annotations

import ast
import copy


class Swap(ast.NodeTransformer):
    """Replaces each expression that matches `old` by `new`, and counts them."""

    def __init__(self, old: str, new: str) -> None:
        self._old = ast.parse(old, mode="eval").body
        self._new = ast.parse(new, mode="eval").body
        self.found = 0

    def visit(self, node: ast.AST) -> ast.AST:
        """Visit what is inside first: a pattern may match a part of what matches it."""
        self.generic_visit(node)
        bound: dict[str, ast.AST] = {}
        if not isinstance(node, ast.expr) or not _matches(self._old, node, bound):
            return node
        self.found += 1
        new: ast.AST = _Filling(bound).visit(copy.deepcopy(self._new))
        return new


class _Filling(ast.NodeTransformer):
    def __init__(self, bound: dict[str, ast.AST]) -> None:
        self._bound = bound

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return copy.deepcopy(self._bound.get(node.id, node))


def _matches(pattern: object, found: object, bound: dict[str, ast.AST]) -> bool:
    if isinstance(pattern, ast.Name) and len(pattern.id) == 1 and pattern.id.isupper():
        if not isinstance(found, ast.expr):
            return False
        known = bound.setdefault(pattern.id, found)
        return known is found or ast.dump(known) == ast.dump(found)
    if isinstance(pattern, list):
        return isinstance(found, list) and _all_match(pattern, found, bound)
    if not isinstance(pattern, ast.AST):
        return type(pattern) is type(found) and pattern == found
    if type(pattern) is not type(found):
        return False
    fields = [name for name in pattern._fields if name not in {"ctx", "kind"}]
    if isinstance(pattern, ast.Call) and pattern.args and _is_rest(pattern.args[-1]):
        fields.remove("keywords")
    return all(_matches(getattr(pattern, name), getattr(found, name), bound) for name in fields)


def _all_match(patterns: list[object], found: list[object], bound: dict[str, ast.AST]) -> bool:
    if patterns and _is_rest(patterns[-1]):
        patterns = patterns[:-1]
        found = found[: len(patterns)]
    return len(patterns) == len(found) and all(map(_matches, patterns, found, [bound] * len(found)))


def _is_rest(pattern: object) -> bool:
    return isinstance(pattern, ast.Constant) and pattern.value is Ellipsis
