"""Values that travel: no I/O, no model, no database."""
