"""Private to the worker: may change without notice to wrappers."""
