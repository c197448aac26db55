"""``policies``, ``defaults`` and ``environment``: attribute rules, where they count, and the zone of their times."""

from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, WithJsonSchema, model_validator

from .base import NonEmpty, Section, Unbuilt, bad, parsed, unbuilt
from .fields import Name

_CONDITION = {
    "type": "object",
    "minProperties": 1,
    "properties": {
        "and": {"type": "array", "minItems": 1, "items": {"type": "object"}},
        "or": {"type": "array", "minItems": 1, "items": {"type": "object"}},
        "not": {"type": "object"},
    },
    "additionalProperties": {"type": "object", "minProperties": 1},
    "examples": [{"and": [{"user.role": {"in": ["manager", "admin"]}}, {"environment.time": {"between": ["09:00", "17:00"]}}]}],
}
"""What editors can check of it; the rest is checked when it is read (``convert/conditions.py``)."""

MAX_CEL = 4096
ConditionTree = Annotated[Any, WithJsonSchema(_CONDITION)]


def _cel(text: str) -> str:
    if not text.strip() or len(text) > MAX_CEL:
        raise bad("is empty or too long", f"a CEL expression of at most {MAX_CEL} characters")
    return text


CelText = Annotated[str, parsed(_cel)]


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):  # what it is, depends on how odd the name is
        raise bad("is not a time zone", "write a name of the IANA database, such as Europe/Berlin, or UTC") from None
    return text


class Policy(Section):
    """One attribute rule: `conditions`, `when`, or both (then both have to hold)."""

    effect: Literal["allow", "deny"] = Field(description="allow: for require.policies and require.any_policy; deny: for `deny`.")
    mode: Literal["enforce", "shadow"] = Field(
        default="enforce", description="shadow: recorded with what it would have done, and never counts."
    )
    conditions: ConditionTree | None = Field(
        default=None,
        description="A tree of comparisons, {attribute: {operator: value}}, under and, or, not; keys of one map must all hold.",
    )
    when: CelText | None = Field(default=None, description="The same kind of rule as a CEL expression over the same attributes.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.conditions is None and self.when is None:
            raise bad("has no condition", "write `conditions` or `when`")
        return self


class Defaults(Section):
    """Added to every route; defaults only restrict."""

    deny: NonEmpty[Name] | None = Field(default=None, description="Deny policies of every route.")
    rate_limits: Unbuilt = unbuilt("Limits of every route.")


class Environment(Section):
    """What rules take from the surroundings."""

    timezone: Annotated[str, parsed(_zone)] = Field(default="UTC", description="Zone of environment.time, date and weekday.")
