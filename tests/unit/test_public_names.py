import ast
import inspect

import pytest

import core


@pytest.mark.parametrize("name", core.__all__)
def test_part_of_the_seed_is_a_public_name_of_core(name):
    assert getattr(core, name) is not None


def test_names_for_type_checkers_are_the_names_that_load():
    tree = ast.parse(inspect.getsource(core))
    declared = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("core.")
        for alias in node.names
    }
    assert declared == set(core.__all__)
