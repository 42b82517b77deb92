"""Scrapy commands of Listener."""
