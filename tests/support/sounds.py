"""Sound that is made up: PCM of 16 kHz, 16 bits, with boundaries that are known."""

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
KEYS = ("123A", "456B", "789C", "*0#D")
ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477, 1633)

Sound = NDArray[np.float64]
"""Samples from -1 to 1."""


def seconds(length_s: float) -> Sound:
    return np.arange(round(length_s * RATE_HZ)) / RATE_HZ


def silence(length_s: float) -> Sound:
    return np.zeros(len(seconds(length_s)))


def tone(length_s: float, hz: float, volume: float = 0.3) -> Sound:
    return volume * np.sin(2 * np.pi * hz * seconds(length_s))


def key(length_s: float, name: str, volume: float = 0.3) -> Sound:
    """Return the sound of a telephone key."""
    row = next(number for number, keys in enumerate(KEYS) if name in keys)
    low, high = ROWS_HZ[row], COLUMNS_HZ[KEYS[row].index(name)]
    return tone(length_s, low, volume / 2) + tone(length_s, high, volume / 2)


def voice(length_s: float, hz: float = 140.0, volume: float = 0.3) -> Sound:
    """Return something like a vowel: harmonics that fade, of a pitch that wavers."""
    t = seconds(length_s)
    phase = 2 * np.pi * np.cumsum(hz * (1 + 0.03 * np.sin(2 * np.pi * 5 * t))) / RATE_HZ
    made = sum(np.sin(n * phase) / n**1.5 for n in range(1, 20))
    return volume * made / np.abs(made).max()


def hiss(length_s: float, volume: float = 0.3, seed: int = 1) -> Sound:
    """Return white noise."""
    return volume * np.random.default_rng(seed).uniform(-1, 1, len(seconds(length_s)))


def pcm(*parts: Sound, noise: float = 0.0, seed: int = 7) -> bytes:
    """Join sounds, lay noise over them, and write them as 16-bit samples, low byte first."""
    sound = np.concatenate(parts)
    sound = sound + noise * np.random.default_rng(seed).uniform(-1, 1, len(sound))
    return np.round(np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()


def example() -> bytes:
    """Return wrappers/speech/test_data/hello-5.pcm: a pause, a voice, a pause, key 5, a pause."""
    return pcm(silence(0.3), voice(0.5), silence(0.4), key(0.12, "5"), silence(0.18), noise=0.002)
