"""Holds `aiges.concurrent.fixpool`."""
