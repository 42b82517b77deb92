"""Reading sources: what to ask, how to parse it, where to resume."""
