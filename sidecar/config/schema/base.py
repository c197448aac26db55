"""What all sections share: strictness, keys that are not built yet, and errors with a way out."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from sidecar.config.marks import Nothing

T = TypeVar("T")

UNBUILT = "x-unbuilt"
OURS = "sidecar"
"""Error type of our own validators; the context has ``message`` and ``hint``."""


class Section(BaseModel):
    """A map of known keys: strict types, nothing extra."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, validate_default=True)


def bad(message: str, hint: str = "") -> PydanticCustomError:
    """Make the error that a validator raises. Neither text may hold the value where that could be a secret."""
    return PydanticCustomError(OURS, "{message}", {"message": message, "hint": hint})


def _refuse(value: Any) -> None:
    if value is not None:  # the default; a null in the document is a Nothing
        raise PydanticCustomError(UNBUILT, "is not built yet")


Unbuilt = Annotated[Any, BeforeValidator(_refuse)]
"""Type of a key whose behaviour is not built yet: absent, or an error that names it."""


def unbuilt(description: str) -> Any:
    """Field of a key that is not built yet."""
    return Field(default=None, description=description, json_schema_extra={UNBUILT: True})


def written(value: Any) -> Any:
    """Return a default as operators would write it; the field's type parses it."""
    return value


def _distinct(values: list[T]) -> list[T]:
    seen: list[T] = []
    for number, value in enumerate(values):
        if value in seen:
            raise bad(f"item {number} repeats an earlier one", "remove it")
        seen.append(value)
    return values


NonEmpty = Annotated[list[T], Field(min_length=1), AfterValidator(_distinct)]
"""A list with at least one item, none of them twice."""


def parsed(parse: Callable[[str], T], *, number: str = "") -> BeforeValidator:
    """Make a validator of a function from text to a value. ``number``: the way out for a bare number."""

    def validate(value: Any) -> Any:
        if isinstance(value, Nothing):
            return value
        if number and isinstance(value, int | float) and not isinstance(value, bool):
            raise bad("needs a unit", number)
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "needs text")
        return parse(value)

    return BeforeValidator(validate)


class ShortForm:
    """Annotation of a section: a bare value stands for ``{key: value}``."""

    def __init__(self, key: str, schema: dict[str, Any]) -> None:
        """``schema`` is the JSON Schema of the bare value."""
        self._key = key
        self._schema = schema

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Put the expansion before the section's own validation."""
        return core_schema.no_info_before_validator_function(self._expand, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Show both forms to editors."""
        return {"anyOf": [self._schema, handler(schema)]}

    def _expand(self, value: Any) -> Any:
        return value if isinstance(value, dict | Nothing) else {self._key: value}


class OfItsType:
    """Annotation of a Literal of numbers or booleans: Python takes true, 1 and 1.0 for equal, a reader does not."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Put the comparison of types before that of values."""
        values = get_args(source)
        kinds = {type(value) for value in values}
        expected = " or ".join(repr(value) for value in values)

        def check(value: Any) -> Any:
            if type(value) not in kinds and not isinstance(value, Nothing):
                raise PydanticCustomError("literal_error", "is another value", {"expected": expected})
            return value

        return core_schema.no_info_before_validator_function(check, handler(source))


def exactly_one(section: BaseModel, names: Iterable[str]) -> None:
    """Raise unless exactly one of the fields was written."""
    names = tuple(names)
    written = [name for name in names if getattr(section, name) is not None]
    if len(written) != 1:
        found = f"has {' and '.join(written)}" if written else "has none of them"
        raise bad(f"needs exactly one of {', '.join(names)}, and {found}")
