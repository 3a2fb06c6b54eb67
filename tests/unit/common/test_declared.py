"""Declared fields: each is checked, by its type and bounds, and nothing is changed later."""

from typing import Literal

import pytest
from pydantic_core import ValidationError

from core.common.declared import Declared, declare


class Oven(Declared):
    kind: Literal["gas", "electric"] = declare(default="gas", description="what heats it")
    degrees: float = declare(default=180.0, ge=50, le=300, description="in Celsius")
    shelves: int = declare(default=2, gt=0, description="of wire")
    name: str = declare(default_factory=lambda: "oven", pattern="^[a-z]+$", max_length=8, description="in the kitchen")

    @property
    def is_hot(self) -> bool:
        return self.degrees > 60


def test_nothing_needs_to_be_given():
    assert vars(Oven()) == {"kind": "gas", "degrees": 180.0, "shelves": 2, "name": "oven"}
    assert Oven().is_hot


def test_text_becomes_a_number_where_one_is_declared():
    oven = Oven(degrees="55.5", shelves="3")  # type: ignore[arg-type]
    assert (oven.degrees, oven.shelves) == (55.5, 3)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kind", "wood", "Input should be 'gas' or 'electric'"),
        ("degrees", "hot", "Input should be a valid number, unable to parse string as a number"),
        ("degrees", 301, "Input should be less than or equal to 300"),
        ("degrees", float("nan"), "Input should be less than or equal to 300"),
        ("shelves", "1.5", "Input should be a valid integer, unable to parse string as an integer"),
        ("shelves", 0, "Input should be greater than 0"),
        ("name", "Oven", "String should match pattern '^[a-z]+$'"),
        ("name", "a" * 9, "String should have at most 8 characters"),
        ("name", 3, "Input should be a valid string"),
    ],
)
def test_wrong_value_is_named_with_its_field_and_what_it_takes(field, value, message):
    with pytest.raises(ValidationError) as caught:
        Oven(**{field: value})
    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == ((field,), message)
    assert caught.value.title == "Oven"


def test_all_wrong_values_are_named_at_once():
    with pytest.raises(ValidationError) as caught:
        Oven(kind="wood", degrees=0)  # type: ignore[arg-type]
    assert [error["loc"] for error in caught.value.errors()] == [("kind",), ("degrees",)]


def test_default_is_checked_too():
    class Cold(Declared):
        degrees: float = declare(default=20.0, ge=50, description="in Celsius")
        name: str = declare(default_factory=lambda: "A", pattern="^[a-z]+$", description="in the kitchen")

    with pytest.raises(ValidationError) as caught:
        Cold()
    assert [error["loc"] for error in caught.value.errors()] == [("degrees",), ("name",)]


def test_other_values_make_another_that_is_checked_as_well():
    oven = Oven(degrees=100, shelves=3)
    hotter = oven.changed(degrees=200)
    assert (oven.degrees, hotter.degrees, hotter.shelves) == (100.0, 200.0, 3)
    with pytest.raises(ValidationError):
        oven.changed(degrees=400)


def test_nothing_is_changed_or_added_later():
    oven = Oven()
    with pytest.raises(AttributeError, match=r"Oven\.degrees never changes"):
        oven.degrees = 100.0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        oven.colour = "white"


def test_same_values_are_the_same():
    assert Oven(degrees=100) == Oven(degrees="100")  # type: ignore[arg-type]
    assert Oven() != Oven(degrees=100)
    assert len({Oven(), Oven(), Oven(degrees=100)}) == 2
    assert repr(Oven()) == "Oven(kind='gas', degrees=180.0, shelves=2, name='oven')"


def test_declarations_can_be_read():
    degrees = Oven.fields["degrees"]
    assert (degrees.annotation, degrees.default, degrees.description) == (float, 180.0, "in Celsius")
    assert degrees.bounds == {"ge": 50, "le": 300}
    assert list(Oven.fields) == ["kind", "degrees", "shelves", "name"]
