"""Spiders for single sites."""
