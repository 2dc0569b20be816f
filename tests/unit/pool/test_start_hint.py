"""What is said of processes that end while they are started."""

import pytest

from aiges_loader.pool.start_hint import WRONG_COMMAND, exit_hint

NO_AIGES = (
    "/opt/bin/python: Error while finding module specification for 'aiges.serve'"
    " (ModuleNotFoundError: No module named 'aiges')"
)


@pytest.mark.parametrize(
    ("status", "tail", "hint"),
    [
        (127, ["bash: line 1: x: command not found"], "was not found"),
        (126, ["bash: line 1: x: Permission denied"], "cannot be executed"),
        (1, [NO_AIGES], "cannot import aiges: install"),
        (1, ["/opt/bin/python: No module named aiges.serve"], "cannot import aiges: install"),
        (1, ["Traceback", "ModuleNotFoundError: No module named 'grpc'"], "cannot import grpc:"),
        (1, ["ModuleNotFoundError: No module named 'google.protobuf'"], "cannot import google:"),
        (1, ["ModuleNotFoundError: No module named 'torch'"], "no handshake line; its own"),
        (1, ["ModuleNotFoundError: No module named 'aigesx'"], "no handshake line; its own"),
        (0, [], f"no handshake line; {WRONG_COMMAND}"),
    ],
)
def test_before_the_handshake_the_command_is_at_fault(
    status: int, tail: list[str], hint: str
) -> None:
    assert hint in exit_hint(status, tail, has_shaken_hands=False)


def test_after_the_handshake_the_command_was_right() -> None:
    said = exit_hint(127, [NO_AIGES], has_shaken_hands=True)
    assert said == "its own lines say more"
    assert "pythonPluginCmd" not in exit_hint(9, [], has_shaken_hands=True)


@pytest.mark.parametrize("has_shaken_hands", [True, False])
def test_nothing_is_advised_about_a_signal(has_shaken_hands: bool) -> None:
    assert exit_hint(-9, ["x"], has_shaken_hands=has_shaken_hands) == ""
