"""The codes with which a worker reports that user code failed."""

OK: int = 0
INIT_ERROR: int = 30001
USER_INIT_ERROR: int = 30002
USER_EXEC_ERROR: int = 30003
BAD_VALUE: int = 10107
"""A value of the request is none of those that the wrapper declares."""
