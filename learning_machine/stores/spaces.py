"""Where a scope's rows lie, and what it may see of the database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from learning_machine.state.modes import LearningMode, stricter
from learning_machine.state.scope import GLOBAL, USER, Scope
from learning_machine.stores.postgres.transactions import Access, Space


def own_space(scope: Scope) -> Space | None:
    """Where the speaker's own words lie: their space, or without a user the session's."""
    if scope.user_id is not None:
        return Space("user", scope.user_id)
    return Space("session", scope.session_id) if scope.session_id is not None else None


def space_for(scope: Scope, namespace: str) -> Space | None:
    """The space a namespace means for this scope."""
    if namespace == USER:
        return own_space(scope)
    return Space("global") if namespace == GLOBAL else Space("group", namespace)


def namespaces_of(stores: Iterable[Any], scope: Scope) -> dict[str, str]:
    """Where each store writes for this scope: where the scope says, unless the store is private; else where the store says."""
    return {
        store.learning_type: store.namespace if store.private else scope.namespace or store.namespace
        for store in stores
    }


def modes_of(stores: Iterable[Any], scope: Scope) -> dict[str, LearningMode]:
    """Who decides on what each store writes for this scope.

    A scope that shares what its store would keep private has somebody decide, unless the store's mode was said outright.
    What the scope asks for makes a mode stricter, and never looser.
    """
    places = namespaces_of(stores := list(stores), scope)
    found = {}
    for store in stores:
        mode = getattr(store, "mode", LearningMode.BACKGROUND)
        said = "mode" in getattr(getattr(store, "config", None), "model_fields_set", ())
        shares = places[store.learning_type] not in (USER, store.namespace)
        if shares and not said and mode is LearningMode.BACKGROUND:
            mode = LearningMode.PROPOSE
        found[store.learning_type] = stricter(mode, scope.modes.get(store.learning_type))
    return found


def access_of(scope: Scope, **more: Any) -> Access:
    """The scope as the database sees it."""
    return Access(user_id=scope.user_id, session=scope.session_id, groups=scope.groups, **more)
