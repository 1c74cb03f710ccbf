"""Recall, context and tools: what an agent reads of what was learned."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from learning_machine.machine.assembled import Assembled
from learning_machine.nodes.build_context import context_text
from learning_machine.nodes.parts import attempt
from learning_machine.nodes.recall import (
    arecall_others,
    arecall_own,
    asked,
    asking,
    recall_others,
    recall_own,
    searches,
)
from learning_machine.state.messages import as_messages, last_user_text
from learning_machine.state.scope import Scope
from learning_machine.state.times import When, looking_back
from learning_machine.stores.indexing import Question
from learning_machine.stores.protocol import Standing
from learning_machine.stores.registry import call
from learning_machine.stores.tools import forget_tools


class Recalling(Assembled):
    """What an agent reads."""

    def recall(
        self,
        *,
        message: str = "",
        messages: Sequence[Any] = (),
        as_of: When = None,
        known_at: When = None,
        **scope: Any,
    ) -> dict[str, Any]:
        """What the stores know for this scope, by learning type. Types that know nothing are left out.

        `as_of`: what was true then; `known_at`: what was known then. Times or ISO dates; a store of your own takes part in
        a look back only if its `recall` takes `as_of` and `known_at`.
        """
        where, said = Scope(**scope), _turned(message, messages)
        back = looking_back(as_of, known_at, where.timezone)
        standing = asking(
            self.parts,
            Standing(machine=self.name, as_of=back.get("as_of"), known_at=back.get("known_at")),
            self._question(said),
        )
        own, _ = recall_own(self.parts, where, standing)
        return own | recall_others(self.parts, where, said, back)

    async def arecall(
        self,
        *,
        message: str = "",
        messages: Sequence[Any] = (),
        as_of: When = None,
        known_at: When = None,
        **scope: Any,
    ) -> dict[str, Any]:
        where, said = Scope(**scope), _turned(message, messages)
        back = looking_back(as_of, known_at, where.timezone)
        question = await asyncio.to_thread(self._question, said)
        standing = asking(
            self.parts, Standing(machine=self.name, as_of=back.get("as_of"), known_at=back.get("known_at")), question
        )
        own, _ = await arecall_own(self.parts, where, standing)
        return own | await arecall_others(self.parts, where, said, back)

    def _question(self, messages: list[Any]) -> Question:
        text = last_user_text(messages)
        return asked(self.parts, text) if text and searches(self.parts) else Question()

    def build_context(self, *, message: str = "", messages: Sequence[Any] = (), **scope: Any) -> str:
        """The text an agent reads about this scope; `""` when nothing is known. Takes `as_of` and `known_at` like `recall`."""
        return context_text(self.parts, self.recall(message=message, messages=messages, **scope))

    async def abuild_context(self, *, message: str = "", messages: Sequence[Any] = (), **scope: Any) -> str:
        return context_text(self.parts, await self.arecall(message=message, messages=messages, **scope))

    def get_tools(self, **scope: Any) -> list[Any]:
        """The tools of the stores in AGENTIC mode. With a scope they are bound to it; without, they read it from the run."""
        context: dict[str, Any] = {}
        if scope:
            bound = Scope(**scope)
            context = {**bound.keywords(), "scope": bound}
        tools: dict[str, Any] = {}
        for store in self.stores:
            made = attempt(self.parts, f"tools of {store.learning_type}", partial(call, store, "get_tools", context))
            for tool in made or ():
                tools.setdefault(getattr(tool, "name", getattr(tool, "__name__", repr(tool))), tool)
        return [*tools.values(), *forget_tools(list(self.stores), context)]


def _turned(message: str, messages: Sequence[Any]) -> list[Any]:
    return as_messages(messages) if messages else as_messages([("user", message)]) if message else []
