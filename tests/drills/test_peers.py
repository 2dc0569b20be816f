"""The drills for peers can tell a server that keeps its promises from one that does not."""

from collections.abc import Callable

import pytest

from drills import peers
from drills.drills import Result
from drills.peers import CARELESS, DRILLS, OURS, Peer

SHORT: dict[str, Callable[[Peer], Result]] = {
    **DRILLS,
    "SIGTERM under load, ten times": peers.terminate(1),
    "200 clients leave in mid-call": peers.leave(20),
}
CARELESS_KEEPS = {"200 clients leave in mid-call", "worker dies at every call"}
"""It has a thread for each client, and ends with its worker, with an error."""


@pytest.mark.parametrize("name", SHORT)
def test_we_keep_the_promise(name: str) -> None:
    result = peers.put_through(OURS, SHORT[name])
    assert result.kept, result.figures


@pytest.mark.parametrize("name", [name for name in SHORT if name not in CARELESS_KEEPS])
def test_a_careless_server_is_seen_to_break_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "BACK_LIMIT_S", 3.0)  # it never comes back
    monkeypatch.setattr(peers, "ANSWER_LIMIT_S", 3.0)
    result = peers.put_through(CARELESS, SHORT[name])
    assert not result.kept, result.figures
