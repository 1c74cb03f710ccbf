"""The pages, one file for each of what they show."""

from __future__ import annotations

from learning_machine.server.pages.views import (
    about_me,
    learnings,
    overview,
    putting_right,
    review,
    signing_in,
    things,
    turns,
)

ROUTERS = (
    overview.router,
    about_me.router,
    learnings.router,
    putting_right.router,
    things.router,
    review.router,
    turns.router,
    # The last one knows that there is no such page.
    signing_in.router,
)

__all__ = ["ROUTERS"]
