"""The way out to the network, under all stages: guard, limits, retry dialects, HTTP client."""
