"""Keep workers alive, pick one for each call."""
