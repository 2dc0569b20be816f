"""The speech sample: what it hears in sound with known boundaries, however it is cut."""

import random
from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from support import sounds
from support.samples import SAMPLES, sample_modules
from support.sounds import hiss, key, pcm, silence, tone, voice

FRAME_MS = 20


@pytest.fixture(scope="module")
def listening() -> Iterator[ModuleType]:
    with sample_modules("speech", "listening") as (module,):
        yield module


def events_of(listening: ModuleType, data: bytes, *cuts: int, **options: Any) -> list[Any]:
    """Return all events of a recording that is cut at these places."""
    listener = listening.Listener(**{"threshold_db": 9.0, "hangover_ms": 300, **options})
    places = [0, *cuts, len(data)]
    pieces = [data[a:b] for a, b in pairwise(places)]
    return [*(event for piece in pieces for event in listener.hear(piece)), *listener.finish()]


def spans(events: list[Any]) -> list[tuple[str, str, int, int]]:
    """Return (kind, key, begin, end) of each pair of events, in the order of their ends."""
    begun: dict[tuple[str, str], int] = {}
    found = []
    for event in events:
        name = (event.kind.value, event.key)
        if event.begins:
            assert name not in begun
            begun[name] = event.at_ms
        else:
            found.append((*name, begun.pop(name), event.at_ms))
    assert begun == {}
    return found


def assert_near(
    found: list[tuple[str, str, int, int]], *expected: tuple[str, str, int, int]
) -> None:
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    for row, wanted in zip(found, expected, strict=True):
        assert abs(row[2] - wanted[2]) <= FRAME_MS, (row, wanted)
        assert abs(row[3] - wanted[3]) <= FRAME_MS, (row, wanted)


@pytest.mark.parametrize("noise", [0.0, 0.002, 0.02])
@pytest.mark.parametrize("hz", [90, 140, 250])
@pytest.mark.parametrize("offset_ms", [0, 7, 13])
def test_a_voice_has_its_boundaries(
    noise: float, hz: float, offset_ms: int, listening: ModuleType
) -> None:
    before = 0.4 + offset_ms / 1000
    data = pcm(silence(before), voice(0.6, hz), silence(0.7), voice(0.3, hz), noise=noise)
    begin = 400 + offset_ms
    assert_near(
        spans(events_of(listening, data)),
        ("speech", "", begin, begin + 600),
        ("speech", "", begin + 1300, begin + 1600),
    )


@pytest.mark.parametrize("name", "0123456789ABCD*#")
@pytest.mark.parametrize("volume", [0.05, 0.9])
def test_every_key_is_heard(name: str, volume: float, listening: ModuleType) -> None:
    data = pcm(silence(0.2), key(0.1, name, volume), silence(0.2), noise=0.001)
    assert_near(spans(events_of(listening, data)), ("key", name, 200, 300))


def test_keys_in_a_row_are_each_heard(listening: ModuleType) -> None:
    dialled = "1100#5"
    parts = [part for name in dialled for part in (key(0.08, name), silence(0.06))]
    found = spans(events_of(listening, pcm(silence(0.1), *parts, noise=0.002)))
    assert_near(
        found,
        *(("key", name, 100 + 140 * n, 180 + 140 * n) for n, name in enumerate(dialled)),
    )


@pytest.mark.parametrize(
    "sound",
    [
        silence(1),
        hiss(1),
        np.concatenate([silence(0.4), hiss(0.5), silence(0.1)]),
        np.concatenate([silence(0.4), voice(0.03), silence(0.6)]),
        np.concatenate([silence(0.4), key(0.02, "5"), silence(0.6)]),
    ],
    ids=["silence", "hiss", "a burst of hiss", "a click", "a key for 20 ms"],
)
def test_what_is_neither_voice_nor_key(sound: sounds.Sound, listening: ModuleType) -> None:
    assert events_of(listening, pcm(sound)) == []


def test_one_tone_is_no_key(listening: ModuleType) -> None:
    found = spans(events_of(listening, pcm(silence(0.2), tone(0.5, 770), silence(0.2))))
    assert [row[0] for row in found] == ["speech"]  # it judges by loudness and zero crossings


def test_a_short_pause_does_not_end_speech_and_a_long_one_does(listening: ModuleType) -> None:
    data = pcm(silence(0.3), voice(0.3), silence(0.2), voice(0.3), silence(0.5), noise=0.002)
    assert_near(spans(events_of(listening, data)), ("speech", "", 300, 1100))
    assert_near(
        spans(events_of(listening, data, hangover_ms=100)),
        ("speech", "", 300, 600),
        ("speech", "", 800, 1100),
    )


def test_hiss_at_the_end_of_a_word_belongs_to_it(listening: ModuleType) -> None:
    data = pcm(silence(0.3), voice(0.4), hiss(0.2, 0.1), silence(0.5))
    assert_near(spans(events_of(listening, data)), ("speech", "", 300, 900))


def test_noise_that_has_become_louder_is_taken_for_what_it_is(listening: ModuleType) -> None:
    loud = pcm(silence(0.5), hiss(6, 0.01), noise=0.001)
    word = pcm(voice(0.5, volume=0.5) + hiss(0.5, 0.01, seed=3), hiss(0.6, 0.01))
    assert_near(spans(events_of(listening, loud + word)), ("speech", "", 6500, 7000))


def test_the_threshold_decides_how_loud_speech_is(listening: ModuleType) -> None:
    data = pcm(silence(0.5), voice(0.5, volume=0.01), silence(0.5), noise=0.01)
    assert [row[0] for row in spans(events_of(listening, data, threshold_db=3.0))] == ["speech"]
    assert events_of(listening, data, threshold_db=40.0) == []


def test_a_begin_is_said_while_the_voice_goes_on(listening: ModuleType) -> None:
    listener = listening.Listener(threshold_db=9.0, hangover_ms=300)
    assert listener.hear(pcm(silence(0.3), noise=0.002)) == []
    (event,) = listener.hear(pcm(voice(0.1)))
    assert (event.kind.value, event.begins, event.at_ms) == ("speech", True, 300)
    assert listener.hear(pcm(voice(0.5))) == []
    assert [event.begins for event in listener.hear(pcm(silence(0.4), noise=0.002))] == [False]


def test_it_does_not_matter_how_the_bytes_are_cut(listening: ModuleType) -> None:
    data = sounds.example()
    whole = events_of(listening, data)
    assert len(whole) == 4
    chance = random.Random(5)
    for _ in range(20):
        cuts = sorted(chance.randrange(len(data)) for _ in range(chance.randrange(60)))
        assert events_of(listening, data, *cuts) == whole
    assert events_of(listening, data, *range(1, 4000)) == whole


@pytest.mark.parametrize("size", [0, 1, 2, 639, 640, 641])
def test_less_than_a_frame_is_no_event_and_no_error(size: int, listening: ModuleType) -> None:
    listener = listening.Listener(threshold_db=9.0, hangover_ms=300)
    assert [*listener.hear(b"\x7f" * size), *listener.finish()] == []
    assert listener.heard_ms == (FRAME_MS if size >= 640 else 0)


def test_loud_and_silent_extremes_are_judged(listening: ModuleType) -> None:
    lowest = np.full(16_000, -32768, "<i2").tobytes()
    highest = np.full(16_000, 32767, "<i2").tobytes()
    for data in (lowest, highest, bytes(32_000)):
        spans(events_of(listening, data))


def test_the_test_recording_is_what_the_readme_says() -> None:
    stored = (SAMPLES / "speech" / "test_data" / "hello-5.pcm").read_bytes()
    made = np.frombuffer(sounds.example(), "<i2").astype(int)
    assert np.abs(np.frombuffer(stored, "<i2") - made).max() <= 1  # libraries round differently
