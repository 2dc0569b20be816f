"""Findings that depend on the machine, on one that is as the test wants it."""

import resource
import socket
from pathlib import Path

import pytest

from aiges.authoring import addresses
from aiges.authoring.doctor import Level, examine


def test_a_busy_port_is_a_warning_and_a_free_one_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as busy, socket.socket() as free:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        free.bind(("127.0.0.1", 0))
        numbers = [listener.getsockname()[1] for listener in (busy, free)]
        free.close()
        monkeypatch.setattr(addresses, "HTTP_PORT", numbers[0])
        monkeypatch.setattr(addresses, "ADMIN_PORT", numbers[1])
        found = {finding.topic: finding for finding in examine(tmp_path)}
    assert found[f"port {numbers[0]}"].level is Level.WARN
    assert found[f"port {numbers[0]}"].advice
    assert found[f"port {numbers[1]}"].level is Level.OK


def test_a_low_limit_of_open_files_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for most, level in ((1024, Level.WARN), (resource.RLIM_INFINITY, Level.OK)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, most=most: (64, most))
        found = {finding.topic: finding for finding in examine(tmp_path)}
        assert found["open files"].level is level
