"""Vectors for questions and for what is learned: the one place that calls the embedding model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from langchain_core.embeddings import Embeddings

from learning_machine.errors import ConfigurationError
from learning_machine.state.lexemes import is_small_talk
from learning_machine.state.tokens import truncate
from learning_machine.stores.embedding_models import register
from learning_machine.stores.indexing import Question, Vectors
from learning_machine.stores.postgres.database import Database

#: As much of a text as is embedded, in estimated tokens.
MAX_TOKENS = 400
#: Texts sent to the model at once.
AT_ONCE = 64


class Embedder:
    """A machine's embedding model, resolved and registered when it is first needed."""

    def __init__(
        self, resolve: Callable[[], Embeddings], name: Callable[[Embeddings], str], database: Database
    ) -> None:
        self._resolve, self._name, self._database = resolve, name, database
        self._embeddings: Embeddings | None = None
        self._model: int | None = None
        self._lock = threading.Lock()

    @property
    def embeddings(self) -> Embeddings:
        if self._embeddings is None:
            with self._lock:
                self._embeddings = self._embeddings or self._resolve()
        return self._embeddings

    @property
    def model(self) -> int:
        """The model's id in the database. Raises `ConfigurationError` when the database's vectors are another's."""
        if self._model is None:
            self._model = register(self._database, self._name(self.embeddings), self._dimension)
        return self._model

    @property
    def known(self) -> bool:
        """Whether asking it needs no database any more."""
        return self._model is not None

    @property
    def at_hand(self) -> bool:
        """Whether a vector is made sooner than a thread is: from a table in memory, not by a provider."""
        return self.known and bool(getattr(self.embeddings, "at_hand", False))

    def _dimension(self) -> int:
        return len(self.embeddings.embed_query("dimension"))

    # --- questions ----------------------------------------------------------------------------------------------------

    def question(self, text: str) -> Question:
        """What a message asks of search. Small talk asks nothing; without vectors it is asked by words alone."""
        if is_small_talk(text):
            return Question()
        try:
            return Question.of(text, self.embeddings.embed_query(truncate(text, MAX_TOKENS)), self.model)
        except ConfigurationError:
            raise
        except Exception:  # noqa: BLE001 - a provider may raise anything, and words still find most
            return Question.of(text)

    async def aquestion(self, text: str) -> Question:
        if is_small_talk(text):
            return Question()
        try:
            return Question.of(text, await self.embeddings.aembed_query(truncate(text, MAX_TOKENS)), self.model)
        except ConfigurationError:
            raise
        except Exception:  # noqa: BLE001 - as above
            return Question.of(text)

    # --- texts --------------------------------------------------------------------------------------------------------

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that will be searched for."""
        wanted = list(dict.fromkeys(text for text in texts if text))
        if not wanted:
            return Vectors()
        made: list[list[float]] = []
        for start in range(0, len(wanted), AT_ONCE):
            made += embedded(self.embeddings, wanted[start : start + AT_ONCE])
        return Vectors(self.model, dict(zip(wanted, made, strict=True)))


def embedded(embeddings: Embeddings, texts: Sequence[str]) -> list[list[float]]:
    """The vectors of texts that will be searched for, of each as much as is embedded."""
    return embeddings.embed_documents([truncate(text, MAX_TOKENS) for text in texts])
