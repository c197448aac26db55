"""A secret by reference. Nothing here ever puts a value into a message: it may be the secret itself."""

from typing import Any, Self

from pydantic import Field, model_validator

from sidecar.config.marks import Nothing

from .base import Section, Unbuilt, bad, exactly_one, unbuilt
from .fields import FilePath, Word


class SecretRef(Section):
    """Where a secret lies: a file, or an environment variable. Never its text."""

    file: FilePath | None = Field(default=None, description="File that holds the secret; one trailing newline is dropped.")
    env: Word | None = Field(default=None, description="Environment variable that holds the secret.")
    secret: Unbuilt = unbuilt("A name under `secrets`.")

    @model_validator(mode="before")
    @classmethod
    def _reference(cls, value: Any) -> Any:
        if not isinstance(value, dict | Nothing):
            raise bad("is a secret, which must be a reference and never text", "write {file: PATH} or {env: NAME}")
        if isinstance(value, dict) and not value.keys() <= cls.model_fields.keys():
            raise bad("is not a reference to a secret", "write {file: PATH} or {env: NAME}")
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, ("file", "env"))
        return self
