"""The resources, one file each."""

from __future__ import annotations

from learning_machine.server.routes import (
    curation,
    entities,
    learnings,
    operation,
    ownership,
    proposals,
    recalling,
    truth,
    turns,
)

ROUTERS = (
    learnings.router,
    entities.router,
    proposals.router,
    turns.router,
    recalling.router,
    truth.router,
    curation.router,
    ownership.router,
    operation.router,
)

__all__ = ["ROUTERS"]
