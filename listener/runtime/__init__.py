"""Wiring, scheduler and processes: the only place that knows the clock and the environment."""
