"""Erasure: a person, or a part of what is known of them, taken out everywhere at once, with a receipt."""

from learning_machine.stores.erasing.erasure import erase, own_threads
from learning_machine.stores.erasing.receipt import receipts
from learning_machine.stores.erasing.wanted import Threads, Wanted

__all__ = ["Threads", "Wanted", "erase", "own_threads", "receipts"]
