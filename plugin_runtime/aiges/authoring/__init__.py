"""The command line of those who write wrappers: `aiges create`, `run`, `dev`, `test` and others.

Workers never import this package, and it never imports the supervisor: it starts it as a process.
"""
