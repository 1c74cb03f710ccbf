"""A chat model that needs no key and no network. It works by patterns on English text: it is not a language model.

It is there for the demo and for trying the graphs. It answers from the context it is shown and reads a few dozen forms
of English sentences, so what it learns or misses says nothing about how a language model would do.
"""

from learning_machine.offline.model import OfflineModel

__all__ = ["OfflineModel"]
