"""Provisional."""

from __future__ import annotations

from typing import Any

from langchain_core.embeddings import Embeddings


def resolve_embeddings(embeddings: Any) -> Embeddings:
    if isinstance(embeddings, Embeddings):
        return embeddings
    raise RuntimeError("not yet")


def embedding_name(embeddings: Embeddings) -> str:
    return type(embeddings).__name__
