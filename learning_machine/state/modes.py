"""Who decides what is learned."""

from __future__ import annotations

from enum import Enum


class LearningMode(str, Enum):
    """How a store learns.

    BACKGROUND: extraction after the reply, unseen. AGENTIC: the agent, by tools. PROPOSE: the agent proposes and the
    user confirms. HITL: a reviewer approves.
    """

    BACKGROUND = "background"
    AGENTIC = "agentic"
    PROPOSE = "propose"
    HITL = "hitl"
