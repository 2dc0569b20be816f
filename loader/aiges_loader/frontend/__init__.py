"""Speak to clients: pure codecs here, and one module for each protocol that uses them."""
