"""Enrichment: what a text is taken to mean. It follows matching and comes before the store."""
