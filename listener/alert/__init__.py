"""Alerts as messages, and the channels that carry them."""
