"""A small invented web for the demo: a shop, a news site, a forum, an X-shaped API, an inbox.

It is a process of its own (`python -m listener.sample_web`) and imports nothing else of
`listener`, so the service can only reach it over HTTP, exactly as it reaches the real web.
Everything it shows is invented and is a pure function of a seed and a start time.
"""
