"""The extraction call's reply: flat, public, the same for every store, so that people can script models with it.

A reply is `{"changes": [{"action": "add", "store": "user_profile", "kind": "field", "name": "name", "value": "Alice",
"quote": "my name is Alice"}, …]}`. Every field but `action` and `store` may be null or missing.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ExtractedChange(BaseModel):
    """One thing to add, revise or retire."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    action: Literal["add", "revise", "retire"] = Field("add", description="revise and retire need a handle")
    store: str = Field("", description="which store it belongs to")
    kind: str | None = Field(None, description="one of the kinds the store lists")
    name: str | None = Field(None, description="the profile field, a title, or the name of a relationship")
    value: Any = Field(None, description="what was learned; JSON for a list, number, boolean or object")
    subject: str | None = Field(None, description="whom or what it is about, when not the user")
    target: str | None = Field(None, description="the other end of a relationship")
    when: str | None = Field(None, description="ISO date or time from which it holds, if said")
    until: str | None = Field(None, description="ISO date or time at which it ceased to hold, if said")
    quote: str | None = Field(None, description="the user's exact words it stands on, copied letter by letter")
    handle: str | None = Field(None, description="the handle of the existing learning to revise or retire")


class Extraction(BaseModel):
    """All that was learned from the new messages; an empty list when nothing was."""

    changes: list[ExtractedChange] = Field(default_factory=list)


def reply_schema(stores: list[str]) -> dict[str, Any]:
    """The JSON schema sent with the call: every key required and no open maps, as strict providers want it."""
    text = {"type": ["string", "null"]}
    described = ExtractedChange.model_fields
    properties: dict[str, Any] = {name: {**text, "description": described[name].description} for name in described}
    properties["action"] = {"type": "string", "enum": ["add", "revise", "retire"]}
    properties["store"] = {"type": "string", "enum": stores}
    item = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {
        "title": "extraction",
        "description": "What was learned from the new messages.",
        "type": "object",
        "properties": {"changes": {"type": "array", "items": item}},
        "required": ["changes"],
        "additionalProperties": False,
    }
