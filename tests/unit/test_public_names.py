import ast
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import core


@pytest.mark.parametrize("name", core.__all__)
def test_name_that_kubernauts_gateway_has_too_is_public(name):
    assert getattr(core, name) is not None


def described() -> Iterator[Any]:
    """Every public name that can be called, and the public methods of classes."""
    for name in [*core.__all__]:
        value = getattr(core, name)
        if callable(value):
            yield pytest.param(value, id=name)
        for method, function in vars(value).items() if inspect.isclass(value) else ():
            if not method.startswith("_") and (inspect.isfunction(function) or isinstance(function, property)):
                yield pytest.param(function, id=f"{name}.{method}")


@pytest.mark.parametrize("value", list(described()))
def test_public_name_says_what_it_means_and_of_what_types(value):
    assert (value.__doc__ or "").strip()
    if inspect.isfunction(value):
        parameters = [each for each in inspect.signature(value).parameters.values() if each.name != "self"]
        assert [each.name for each in parameters if each.annotation is each.empty] == []
        assert inspect.signature(value).return_annotation is not inspect.Signature.empty


def test_names_for_type_checkers_are_the_names_that_load():
    tree = ast.parse(inspect.getsource(core))
    declared = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("core.")
        for alias in node.names
    }
    assert declared == set(core.__all__)
