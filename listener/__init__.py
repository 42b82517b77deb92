"""Self-hosted social listening: collect, match, score, notice, alert."""

__version__ = "0.1.0"
