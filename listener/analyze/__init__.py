"""What a brand's mentions say when they are put together: phrases, themes, drivers. Pure."""
