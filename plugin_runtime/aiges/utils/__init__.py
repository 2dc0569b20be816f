"""Holds `aiges.utils.log`; the package's name is part of what wrappers import."""
