"""The host's side of the handshake in a worker's environment. H numbers: docs/go-plugin.md."""

from dataclasses import replace
from pathlib import Path

import pytest

from aiges_loader.pool.hang import HangPolicy
from aiges_loader.pool.wear import WearPolicy
from aiges_loader.pool.worker_spec import WorkerSpec

SPEC = WorkerSpec(
    command=("worker",),
    environ={},
    socket_dir=Path("/sockets"),
    service="svc",
    wrapper_config={},
    concurrency=1,
    start_timeout_s=1.0,
    init_timeout_s=None,
    drain_timeout_s=1.0,
    hang=HangPolicy(heartbeat_s=1.0, hang_timeout_s=None),
    wear=WearPolicy(None, None, None),
)


def environ_of(spec: WorkerSpec) -> dict[str, str]:
    return spec.handshake_environ(1, stop_grace_s=5.0)


@pytest.mark.parametrize(
    ("spec", "versions"),
    [
        (SPEC, "1,2"),
        (replace(SPEC, newest_version=1), "1"),
        (replace(SPEC, auto_mtls=True), "1"),
    ],
)
def test_a_worker_is_told_all_that_the_handshake_needs(spec: WorkerSpec, versions: str) -> None:
    """H1 H2."""
    told = environ_of(spec)
    assert told["BASIC_PLUGIN"] == "hello"
    assert (told["PLUGIN_MIN_PORT"], told["PLUGIN_MAX_PORT"]) == ("10000", "25000")
    assert told["PLUGIN_PROTOCOL_VERSIONS"] == versions
    assert told["PLUGIN_UNIX_SOCKET_DIR"] == "/sockets"


def test_what_an_outer_host_said_is_not_passed_on() -> None:
    """H3 H5."""
    outer = {
        "PLUGIN_CLIENT_CERT": "stale",
        "PLUGIN_MULTIPLEX_GRPC": "true",
        "PLUGIN_UNIX_SOCKET_GROUP": "staff",
        "PLUGIN_UNIX_SOCKET_DIR": "/outer",
        "PLUGIN_ANYTHING": "else",
        "BASIC_PLUGIN": "other",
        "HOME": "/home/me",
    }
    told = environ_of(replace(SPEC, environ=outer))
    assert sorted(name for name in told if name.startswith("PLUGIN_")) == [
        "PLUGIN_MAX_PORT",
        "PLUGIN_MIN_PORT",
        "PLUGIN_PROTOCOL_VERSIONS",
        "PLUGIN_UNIX_SOCKET_DIR",
    ]
    assert told["PLUGIN_UNIX_SOCKET_DIR"] == "/sockets"
    assert (told["BASIC_PLUGIN"], told["HOME"]) == ("hello", "/home/me")
