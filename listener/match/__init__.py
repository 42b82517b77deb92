"""Finds the brands that a mention speaks of: ``query`` makes patterns of words, ``matcher`` finds them."""
