"""The worker side of aiges-loader: what a user's wrapper.py imports."""

EXIT_SIG: int = -1
"""Kept for wrappers that look for it; nothing here uses it."""
