"""What the commands fail with."""


class AuthoringError(Exception):
    """A command cannot do what it was asked; the message says why, and what to do next."""
