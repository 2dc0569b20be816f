"""What the program ends with."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """The statuses that scripts may rely on."""

    OK = 0
    FAILED = 1  # could not start, or could not go on
    USAGE = 2  # the command line makes no sense
