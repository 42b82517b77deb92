"""Finds the brands a mention speaks of: ``query`` makes patterns, ``matcher`` finds them."""
