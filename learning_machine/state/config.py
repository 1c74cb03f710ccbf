"""One frozen config per store. The library never writes into them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from learning_machine.state.modes import LearningMode
from learning_machine.state.profile import ProfileFields, fields_of


class StoreConfig(BaseModel):
    """What every store can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    mode: LearningMode = Field(LearningMode.BACKGROUND, description="who decides what is stored")
    namespace: str = Field("user", description='"user" (private), a group, or "global"')
    instructions: str | None = Field(None, description="replaces the store's own instructions to the extracting model")
    additional: str | None = Field(None, description="added to the store's instructions")
    max_context_tokens: int = Field(1_000, ge=1, description="what the store may add to the agent's prompt, estimated")


class UserProfileConfig(StoreConfig):
    """The user profile: typed fields and free observations, always private to the user."""

    # `schema` is the public name; pydantic's own `schema` method is long deprecated.
    model_config = ConfigDict(protected_namespaces=())

    schema_: type = Field(ProfileFields, alias="schema", description="a pydantic model or dataclass with the fields")

    @field_validator("schema_")
    @classmethod
    def _is_schema(cls, schema: type) -> type:
        fields_of(schema)
        return schema


class SessionContextConfig(StoreConfig):
    """The session context: a summary, and with planning a goal, plan steps and progress."""

    enable_planning: bool = Field(False, description="also keep goal, plan steps and progress")


def store_config(argument: Any, kind: type[StoreConfig], name: str) -> StoreConfig | None:
    """The config meant by `True`, a config, or nothing; `None` for anything else that is off."""
    if argument is True:
        return kind()
    return argument if isinstance(argument, kind) else None
