"""One frozen config per store. The library never writes into them."""

from __future__ import annotations

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
    four_eyes: bool = Field(False, description="nobody decides on what is about themselves")
    max_context_tokens: int = Field(1_000, ge=1, description="what the store may add to the agent's prompt, estimated")
    half_life_days: dict[str, float] = Field(
        default_factory=dict, description="days until a kind is half as strong; a kind not named is timeless"
    )
    max_learnings: int | None = Field(
        10_000,
        ge=1,
        description="learnings of a space beyond which curation archives the weakest that are not timeless",
    )

    @field_validator("half_life_days")
    @classmethod
    def _is_days(cls, days: dict[str, float]) -> dict[str, float]:
        if any(not value > 0 for value in days.values()):
            raise ValueError("a half-life is more than 0 days; leave a kind out that is timeless")
        return days


class UserProfileConfig(StoreConfig):
    """The user profile: typed fields and free observations, always private to the user."""

    # `schema` is the public name; pydantic's own `schema` method is long deprecated.
    model_config = ConfigDict(protected_namespaces=())

    half_life_days: dict[str, float] = {"observation": 365.0}
    schema_: type = Field(ProfileFields, alias="schema", description="a pydantic model or dataclass with the fields")

    @field_validator("schema_")
    @classmethod
    def _is_schema(cls, schema: type) -> type:
        fields_of(schema)
        return schema


class SessionContextConfig(StoreConfig):
    """The session context: a summary, and with planning a goal, plan steps and progress."""

    half_life_days: dict[str, float] = {"summary": 14.0, "goal": 14.0, "step": 14.0, "progress": 14.0}
    enable_planning: bool = Field(False, description="also keep goal, plan steps and progress")


class LearnedKnowledgeConfig(StoreConfig):
    """Learned knowledge: insights that apply across users, in a namespace."""

    half_life_days: dict[str, float] = {"insight": 365.0}
    max_results: int = Field(8, ge=1, le=50, description="insights recalled for one message at most")


class EntityMemoryConfig(StoreConfig):
    """Entity memory: facts, events and relationships of people, companies, projects."""

    half_life_days: dict[str, float] = {"event": 90.0, "fact": 365.0, "relationship": 730.0}
    max_entities: int = Field(5, ge=1, le=20, description="named entities shown for one message at most")
    max_results: int = Field(10, ge=1, le=50, description="further facts and events recalled for one message at most")
