"""An export brought back as it was: origin, trust, times and history, and the ids where they are free.

Only an operator does this, because a file could say of itself whatever it likes. Every row is noted in the record of
changes, and nothing is brought back twice or after it was erased.
"""

from learning_machine.stores.restoring.progress import Placed
from learning_machine.stores.restoring.run import Restoring

__all__ = ["Placed", "Restoring"]
