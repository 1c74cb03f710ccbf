"""Who a run belongs to. On a server the authenticated user comes before anything a client sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from learning_machine.errors import ConfigurationError
from learning_machine.state.modes import LearningMode, read_modes, strictest
from learning_machine.state.scope import ChoosingScope, Scope

#: Where LangGraph hands its checkpointer to nodes: the only sign that a thread's state is kept.
_CHECKPOINTER = "__pregel_checkpointer"


def scope_of(runtime: Any, config: Mapping[str, Any]) -> Scope:
    """The scope of a run: authenticated user, then the run's context, then `configurable`. None of them: nobody."""
    configurable = config.get("configurable") or {}
    said, context = _known_keys(configurable), _as_dict(getattr(runtime, "context", None))
    given = said | context
    # The thread is the server's or the caller's to say; a context cannot name another one.
    if configurable.get("thread_id") is not None:
        given["session_id"] = str(configurable["thread_id"])
    user = _server_user(runtime, configurable)
    if user is not None:
        given |= _authenticated(user, given)
    given["modes"] = wanted_modes(runtime, config)
    try:
        return Scope.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(
            f"The run's context is no scope: {'.'.join(map(str, first['loc']))}: {first['msg']}."
        ) from None


def wanted_modes(runtime: Any, config: Mapping[str, Any]) -> dict[str, LearningMode]:
    """The modes that a run asks for, by learning type: the strictest of what its user, its context and `configurable` say."""
    configurable = config.get("configurable") or {}
    context, user = getattr(runtime, "context", None), _server_user(runtime, configurable)
    said = (configurable.get("modes"), _read(context, "modes"), _read(user, "modes"))
    try:
        return strictest(*map(read_modes, said))
    except ValueError as error:
        raise ConfigurationError(f"The run's context is no scope: modes: {error}.") from None


def is_kept(config: Mapping[str, Any]) -> bool:
    """Whether a state without answers means the thread's beginning: our own graph, at the top, gone back to a checkpoint.

    Without a checkpoint named, an empty state may as well be a checkpointer that has lost its memory, such as one in
    memory after a restart; what was learned in the thread is not left behind for that.
    """
    configurable, metadata = config.get("configurable") or {}, config.get("metadata") or {}
    nested = "|" in str(configurable.get("checkpoint_ns") or "")
    return checkpointer_of(config) is not None and not nested and bool(metadata.get("checkpoint_id"))


def can_wait(config: Mapping[str, Any]) -> bool:
    """Whether a run may pause for a person: only with a checkpointer, its own or its parent's."""
    return checkpointer_of(config) is not None


def checkpointer_of(config: Mapping[str, Any]) -> Any:
    """The checkpointer of a run, its own or its parent's; `None` without one."""
    return (config.get("configurable") or {}).get(_CHECKPOINTER)


def _as_dict(context: Any) -> dict[str, Any]:
    if context is None:
        return {}
    if isinstance(context, ChoosingScope):
        return {**context.model_dump(exclude_unset=True, exclude=context.choices())}
    if isinstance(context, BaseModel):
        return {**context.model_dump(exclude_unset=True)}
    if isinstance(context, Mapping):
        return dict(context)
    return (
        {name: value for name, value in vars(context).items() if not name.startswith("_")}
        if hasattr(context, "__dict__")
        else {}
    )


def _known_keys(configurable: Mapping[str, Any]) -> dict[str, Any]:
    """The scope's own keys in `configurable`, the older place for them."""
    return {
        name: configurable[name]
        for name in Scope.model_fields
        if configurable.get(name) is not None and name != "session_id"
    }


def _server_user(runtime: Any, configurable: Mapping[str, Any]) -> Any:
    info = getattr(runtime, "server_info", None)
    user = getattr(info, "user", None)
    return user if user is not None else configurable.get("langgraph_auth_user")


def _authenticated(user: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """What authentication says, in place of what the client said: the person, and the groups they are in."""
    said = _read(user, "groups") or ()
    groups = (said,) if isinstance(said, str) else tuple(said)
    namespace = given.get("namespace")
    allowed = namespace if namespace in (None, "user", *groups) else None
    return {"user_id": str(_read(user, "identity")), "groups": groups, "namespace": allowed}


def _read(user: Any, name: str) -> Any:
    """A key of the authenticated user: by index first, because a server's user hands out dicts as other objects."""
    if hasattr(user, "__getitem__"):
        try:
            return user[name]
        except (KeyError, TypeError, IndexError):
            pass
    return getattr(user, name, None)
