"""What was learned over HTTP: an app of its own, or mounted in a LangGraph server. It needs the extra `server`."""

from __future__ import annotations

from learning_machine.errors import MissingPackage

try:
    import fastapi  # noqa: F401
    import jinja2  # noqa: F401
    import prometheus_client  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingPackage(
        f"The server needs {error.name}. Install it with: pip install 'langgraph-learning-machine[server]'"
    ) from error

from learning_machine.server.application import create_app

__all__ = ["create_app"]
