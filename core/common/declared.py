"""Classes whose fields are declared with their type and bounds, and checked by pydantic-core, without pydantic.

pydantic makes the same schemas of the same declarations, and much more; to import it takes a fifth of a cold start
(docs/performance.md). What a function reads at its start is declared here, everything else with pydantic.
"""

from __future__ import annotations

from inspect import get_annotations
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, dataclass_transform, get_args

from pydantic_core import CoreConfig, CoreSchema, SchemaValidator, core_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class DeclaredField(NamedTuple):
    """What is declared of one field; `bounds` are keywords of its type's schema, such as `pattern`, `ge`, `max_length`.

    `default_factory` makes the default where it is not known before.
    """

    default: Any
    default_factory: Callable[[], Any] | None
    description: str
    bounds: Mapping[str, Any]
    annotation: Any = None


def declare(
    *, default: Any = None, default_factory: Callable[[], Any] | None = None, description: str, **bounds: Any
) -> Any:
    """Declare a field of a Declared class; the arguments are those of DeclaredField."""
    return DeclaredField(default, default_factory, description, bounds)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(declare,))
class Declared:
    """Base of such a class: made of keywords, each checked, defaults too, and never changed.

    Fields are of type str, int, float or Literal; numbers are read from text as well. Other keywords are
    ignored.

    Raises:
        pydantic_core.ValidationError: names each field that is wrong, its value and what it takes.
    """

    fields: ClassVar[Mapping[str, DeclaredField]]
    _validator: ClassVar[SchemaValidator]

    def __init_subclass__(cls) -> None:
        declared = {name: found for name, found in vars(cls).items() if isinstance(found, DeclaredField)}
        types = get_annotations(cls, eval_str=True)
        cls.fields = {name: found._replace(annotation=types[name]) for name, found in declared.items()}
        schema = {name: core_schema.typed_dict_field(_schema(found)) for name, found in cls.fields.items()}
        cls._validator = SchemaValidator(core_schema.typed_dict_schema(schema), CoreConfig(title=cls.__name__))

    def __init__(self, **given: Any) -> None:
        vars(self).update(self._validator.validate_python(self.completed(given)))

    def completed(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return what is given, and what follows from it for other fields."""
        return given

    def changed(self, **changes: Any) -> Self:
        """Return the same with other values of some fields."""
        return type(self)(**vars(self) | changes)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} never changes: make another with `changed`")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


_TYPES: Mapping[object, Callable[..., CoreSchema]] = {
    str: core_schema.str_schema,
    int: core_schema.int_schema,
    float: core_schema.float_schema,
}


def _schema(field: DeclaredField) -> CoreSchema:
    choices = get_args(field.annotation)
    plain = core_schema.literal_schema(list(choices)) if choices else _TYPES[field.annotation](**field.bounds)
    if field.default_factory:
        return core_schema.with_default_schema(plain, default_factory=field.default_factory, validate_default=True)
    return core_schema.with_default_schema(plain, default=field.default, validate_default=True)
