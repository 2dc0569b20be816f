"""Streams that outlive one call."""
