"""Processes that serve HTTP beside the supervisor: what runs there, and what runs here."""
