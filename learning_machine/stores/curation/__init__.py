"""Upkeep of what was learned: fading, archiving, merging, gathering. Deciding is pure; SQL is in `reading` and `applying`."""
