"""One step of the loop a file: recall, build_context, agent, extract, approve, store."""
