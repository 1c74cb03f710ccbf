"""Vectors from a table in the package: no download, no network, the same everywhere, a few microseconds a text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from langchain_core.embeddings import Embeddings

from learning_machine.embeddings.wordpiece import WordPieces

#: What the database records; it changes whenever a text would get another vector.
STATIC_NAME = "learning-machine/static-minilm-256-v1"
#: How many numbers a vector has.
STATIC_DIMENSION = 256
_DATA = Path(__file__).parent / "data"
_LONGEST = 20_000  # characters that are read: a vector is a mean, and a longer text does not change its direction much
_BATCH = 256  # texts whose rows of the table are in memory at a time


class Table:
    """A vector for each word piece, in 8 bits; the pieces' weights are in the scales."""

    def __init__(self, folder: Path = _DATA) -> None:
        # Read from the disk as it is needed, and seen as a plain array, whose rows are at hand sooner.
        self.rows: npt.NDArray[np.int8] = np.asarray(np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False))
        self.scales = np.load(folder / "scales.npy", allow_pickle=False).astype(np.float32)
        self.pieces = WordPieces((folder / "pieces.txt").read_text(encoding="utf-8").splitlines())

    def vectors(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """A row of length 1 for each text; a row of zeros where the text has no known word."""
        # A piece counts once: what a text is about does not grow with repetition, and long texts repeat.
        pieces = [list(dict.fromkeys(self.pieces(text[:_LONGEST]))) for text in texts]
        sums = np.zeros((len(texts), self.rows.shape[1]), np.float32)
        filled = [at for at, found in enumerate(pieces) if found]
        if filled:
            flat = np.fromiter((piece for found in pieces for piece in found), np.intp)
            starts = np.cumsum([0, *(len(pieces[at]) for at in filled[:-1])])
            sums[filled] = np.add.reduceat(self.rows[flat] * self.scales[flat, None], starts, axis=0)
        lengths = np.sqrt((sums * sums).sum(axis=1, keepdims=True))
        sums /= np.where(lengths > 0, lengths, 1)
        return sums


@lru_cache(maxsize=1)
def _table() -> Table:
    return Table()


class StaticEmbeddings(Embeddings):
    """The embeddings of the package: word vectors of MiniLM, put together without a network.

    They know English; of other languages what its words are made of. A text in a script they do not know, or without
    any words, gets a vector of zeros, which stands for *no vector*: it has no direction to compare.
    """

    @property
    def at_hand(self) -> bool:
        """Whether the table has been read from the disk."""
        return _table.cache_info().currsize > 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [vector for batch in _batches(texts) for vector in _table().vectors(batch).tolist()]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    async def aembed_query(self, text: str) -> list[float]:
        # Quicker than going to a thread for it.
        return self.embed_query(text) if self.at_hand else await super().aembed_query(text)


def _batches(texts: list[str]) -> Iterator[list[str]]:
    return (texts[at : at + _BATCH] for at in range(0, len(texts), _BATCH))
