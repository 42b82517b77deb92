"""Edge out: JSON, feeds and the dashboard."""
