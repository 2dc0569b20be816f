"""What somebody at the terminal can do about a worker that does not start. Pure."""

import re
from collections.abc import Sequence
from typing import Final

WRONG_COMMAND: Final = (
    "[aiges] pythonPluginCmd must start a worker, as `python -m aiges.serve` does"
)

_OWN_LINES: Final = "its own lines say more"

_NOT_EXECUTABLE: Final = 126
_NOT_FOUND: Final = 127
"""What bash ends with, in place of the status of a command that never ran."""

# What our worker imports before it shakes hands; the rest is the user's.
_MISSING: Final = re.compile(
    r"No module named '?(aiges|aiges_wire|grpc|grpc_health|google)(?:\.[\w.]+)?'?\)?$"
)


def exit_hint(status: int, tail: Sequence[str], *, has_shaken_hands: bool) -> str:
    """Say what to do about a process that ended while it was being started.

    Args:
        status: What it ended with, negative for a signal.
        tail: The last lines that it wrote, oldest first.
        has_shaken_hands: It had said where it listens.

    Returns:
        One clause; "" if a signal ended it, which is nothing that it did.
    """
    if status < 0:
        return ""
    if has_shaken_hands:
        return _OWN_LINES if tail else "its wrapper was being started"
    if status == _NOT_FOUND:
        return "a command in [aiges] pythonPluginCmd was not found"
    if status == _NOT_EXECUTABLE:
        return "a command in [aiges] pythonPluginCmd cannot be executed"
    for line in reversed(tail):
        if missing := _MISSING.search(line):
            return (
                f"its interpreter cannot import {missing[1]}: install aiges-loader for that one,"
                " or have [aiges] pythonPluginCmd use another"
            )
    return f"it printed no handshake line; {_OWN_LINES if tail else WRONG_COMMAND}"
