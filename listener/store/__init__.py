"""Tables, and per noun the queries on them. Nothing here commits."""
