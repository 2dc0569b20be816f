"""What user code reports of itself can be sent, whatever it is."""

import logging
import threading

import pytest

from aiges._runtime.usage import MAX_COUNT, MAX_KEYS, Usage
from aiges_wire.pb import aiges_control_pb2 as pb


def sent(usage: Usage) -> tuple[dict[str, int], dict[str, float]]:
    pulse = pb.Pulse.FromString(
        pb.Pulse(used=usage.counts(), measured=usage.values()).SerializeToString()
    )
    return dict(pulse.used), dict(pulse.measured)


def test_counts_add_up_and_of_values_the_newest_is_kept() -> None:
    usage = Usage()
    for count in (2, 0, 3):
        usage.count("tokens", count)
    usage.measure("load", 0.25)
    usage.measure("load", 0.5)
    assert sent(usage) == ({"tokens": 5}, {"load": 0.5})


@pytest.mark.parametrize("count", [1.5, "3", None, -1, b"2"])
def test_what_is_no_count_is_left_out_and_said_once(
    count: object, caplog: pytest.LogCaptureFixture
) -> None:
    usage = Usage()
    with caplog.at_level(logging.WARNING):
        usage.count("tokens", count)
        usage.count("tokens", count)
    assert sent(usage) == ({}, {})
    assert caplog.text.count("not a whole number from 0") == 1


@pytest.mark.parametrize(
    ("key", "name"), [(b"chars", "chars"), (None, "None"), ("a\udc80", "a?"), (b"\xff", "\ufffd")]
)
def test_every_key_becomes_one_that_can_be_sent(key: object, name: str) -> None:
    usage = Usage()
    usage.count(key, 1)
    usage.measure(key, 1.0)
    assert sent(usage) == ({name: 1}, {name: 1.0})


def test_counting_stops_where_the_wire_does() -> None:
    usage = Usage()
    usage.count("much", 1 << 70)
    usage.count("much", 1)
    assert sent(usage)[0] == {"much": MAX_COUNT}


def test_keys_are_limited_and_known_ones_go_on(caplog: pytest.LogCaptureFixture) -> None:
    usage = Usage()
    with caplog.at_level(logging.WARNING):
        for number in range(MAX_KEYS + 5):
            usage.count(f"key {number}", 1)
    usage.count("key 0", 1)
    counts, _ = sent(usage)
    assert len(counts) == MAX_KEYS
    assert counts["key 0"] == 2
    assert caplog.text.count("more than 256 keys") == 1


def test_threads_lose_no_count() -> None:
    usage = Usage()
    threads = [
        threading.Thread(target=lambda: [usage.count("n", 1) for _ in range(1000)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent(usage)[0] == {"n": 4000}
