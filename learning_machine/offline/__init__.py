"""A chat model that needs no key and no network. It works by patterns on English text: it is not a language model."""

from learning_machine.offline.model import OfflineModel

__all__ = ["OfflineModel"]
