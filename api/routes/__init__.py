"""One file per resource: its router and the shapes it answers."""
