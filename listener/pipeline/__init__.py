"""The flow: joins the stages, and is the only place besides the edges that commits."""
