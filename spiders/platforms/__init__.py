"""Spiders for platforms and formats that many sites share."""
