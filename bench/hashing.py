"""Vectors without a model, for runs in which meaning does not matter, only the work that vectors make."""

from __future__ import annotations

from hashlib import blake2s

from langchain_core.embeddings import Embeddings


class HashedEmbeddings(Embeddings):
    """Texts that share words have vectors that are close."""

    def __init__(self, dimension: int = 256) -> None:
        self.dimension = dimension

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        vector = [0.0] * self.dimension
        for word in text.lower().split():
            digest = int.from_bytes(blake2s(word.encode(), digest_size=8).digest(), "big")
            vector[digest % self.dimension] += 1.0 if digest >> 63 else -1.0
        length = sum(number * number for number in vector) ** 0.5 or 1.0
        return [number / length for number in vector]
