"""Polarity of texts: one model per language behind one protocol, chosen by the router."""
