"""From PCM to events: where somebody speaks, and which telephone keys are pressed. Pure.

The sound is taken apart into frames of 20 ms. A frame is a key if two tones of the telephone's, one
of a row and one of a column, make up nearly all of its energy (Goertzel's filters, as one product
of matrices). Otherwise it is loud if it lies `threshold_db` above the noise, and voiced if it is
loud and crosses zero seldom: voices and music do, hiss and noise do not.

Speech begins with three voiced frames in a row and ends once nothing loud has come for
`hangover_ms`; it ends where the last loud frame did, so that an s at the end of a word belongs to
it. A key begins with two frames and ends with two frames without it.

The level of the noise is the lowest level of late: it falls at once, rises by 3 dB a second, and
by 0.5 dB a second while somebody speaks.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
SAMPLE_BYTES = 2
FRAME = RATE_HZ // 50
"""Samples."""

FRAME_MS = FRAME * 1000 // RATE_HZ
FRAME_BYTES = FRAME * SAMPLE_BYTES

KEYS = ("123A", "456B", "789C", "*0#D")
ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477, 1633)

VOICED_FRAMES = 3
"""That begin speech."""

KEY_FRAMES = 2
"""That begin a key, or end it."""

LEAST_KEY_SHARE = 0.7
"""Of a frame's energy that a key's two tones have."""

LEAST_OF_PAIR = 0.1
"""What the weaker of the two has at least of what the stronger one has."""

HIGHEST_CROSSING_RATE = 0.25
"""Changes of sign for each sample, of a voiced frame. White noise has 0.5."""

QUIETEST_DB = 20.0
LOUDEST_FIRST_NOISE_DB = 55.0
"""Of what the noise is taken to be. A tone of full scale has 87 dB."""

NOISE_RISE_DB = 3.0 * FRAME_MS / 1000
NOISE_RISE_IN_SPEECH_DB = 0.5 * FRAME_MS / 1000


class Kind(StrEnum):
    """What an event is about."""

    SPEECH = "speech"
    KEY = "key"


@dataclass(frozen=True)
class Event:
    """Something begins or ends.

    Attributes:
        kind: What.
        begins: Whether it begins.
        at_ms: When, from the start of the recording.
        key: Which one, for keys: 0 to 9, A to D, * or #.
    """

    kind: Kind
    begins: bool
    at_ms: int
    key: str = ""


@dataclass(frozen=True)
class Heard:
    """What one frame is.

    Attributes:
        level_db: Of its mean square, 1 being 0 dB.
        crossing_rate: How often the sign changes, for each sample.
        key: The key that it is the sound of, "" if none.
    """

    level_db: float
    crossing_rate: float
    key: str


class Listener:
    """Hears one recording, cut into pieces anyhow, and says what it hears as soon as it can."""

    def __init__(self, *, threshold_db: float, hangover_ms: int) -> None:
        """Begin.

        Args:
            threshold_db: How far above the noise a loud frame lies.
            hangover_ms: How long a pause ends speech.
        """
        self._held = b""
        self._frames = 0
        self._noise_db: float | None = None
        self._speech = _Speech(threshold_db, hangover_ms)
        self._keys = _Keys()

    @property
    def heard_ms(self) -> int:
        """How much of the recording has been judged."""
        return self._frames * FRAME_MS

    def hear(self, data: bytes) -> list[Event]:
        """Take the next bytes of PCM, 16 bits each, low byte first; return what is certain now."""
        data = self._held + data
        whole = len(data) - len(data) % FRAME_BYTES
        self._held = data[whole:]
        samples = np.frombuffer(data[:whole], "<i2").reshape(-1, FRAME).astype(np.float64)
        return [event for frame in heard(samples) for event in self._judge(frame)]

    def finish(self) -> list[Event]:
        """Return what ends with the recording; what is shorter than a frame does not count."""
        return [*self._keys.finish(self.heard_ms), *self._speech.finish()]

    def _judge(self, frame: Heard) -> list[Event]:
        end_ms = self.heard_ms + FRAME_MS
        self._follow_noise(frame.level_db)
        above_db = frame.level_db - self._noise_db if self._noise_db is not None else 0.0
        self._frames += 1
        return [*self._keys.judge(frame.key, end_ms), *self._speech.judge(frame, above_db, end_ms)]

    def _follow_noise(self, level_db: float) -> None:
        level_db = max(level_db, QUIETEST_DB)
        if self._noise_db is None:
            self._noise_db = min(level_db, LOUDEST_FIRST_NOISE_DB)
        rise_db = NOISE_RISE_IN_SPEECH_DB if self._speech.is_on else NOISE_RISE_DB
        self._noise_db = min(level_db, self._noise_db + rise_db)


@dataclass
class _Speech:
    """Whether somebody speaks."""

    threshold_db: float
    hangover_ms: int
    is_on: bool = False
    voiced: int = 0
    loud_end_ms: int = 0

    def judge(self, frame: Heard, above_db: float, end_ms: int) -> list[Event]:
        """Take a frame that ends at `end_ms`; return what is certain now."""
        # While somebody speaks half of it is enough, or a level about it would cut words to pieces.
        threshold_db = self.threshold_db / 2 if self.is_on else self.threshold_db
        is_loud = above_db > threshold_db and not frame.key
        is_voiced = is_loud and frame.crossing_rate < HIGHEST_CROSSING_RATE
        self.voiced = self.voiced + 1 if is_voiced else 0
        if is_loud:
            self.loud_end_ms = end_ms
        if not self.is_on and self.voiced == VOICED_FRAMES:
            self.is_on = True
            return [Event(Kind.SPEECH, True, end_ms - VOICED_FRAMES * FRAME_MS)]
        if self.is_on and end_ms - self.loud_end_ms >= self.hangover_ms:
            return self.finish()
        return []

    def finish(self) -> list[Event]:
        """End speech, if somebody speaks, where the last loud frame ended."""
        events = [Event(Kind.SPEECH, False, self.loud_end_ms)] if self.is_on else []
        self.is_on = False
        return events


@dataclass
class _Keys:
    """Which key is pressed, and for how many frames in a row the sound has been the candidate's."""

    key: str = ""
    candidate: str = ""
    frames: int = 0

    def judge(self, key: str, end_ms: int) -> list[Event]:
        """Take what a frame that ends at `end_ms` is the sound of; return what is certain now."""
        self.frames = self.frames + 1 if key == self.candidate else 1
        self.candidate = key
        if key == self.key or self.frames < KEY_FRAMES:
            return []
        at_ms = end_ms - self.frames * FRAME_MS
        events = self.finish(at_ms)
        self.key = key
        return [*events, Event(Kind.KEY, True, at_ms, key)] if key else events

    def finish(self, at_ms: int) -> list[Event]:
        """End the key that is pressed, if one is."""
        events = [Event(Kind.KEY, False, at_ms, self.key)] if self.key else []
        self.key = ""
        return events


def _waves(frequencies: tuple[int, ...]) -> NDArray[np.complex128]:
    """Return (FRAME, count): a product with a frame gives the amplitude at each frequency."""
    seconds = np.arange(FRAME)[:, None] / RATE_HZ
    return np.exp(-2j * np.pi * seconds * np.array(frequencies))


WAVES = _waves(ROWS_HZ + COLUMNS_HZ)


def heard(frames: NDArray[np.float64]) -> list[Heard]:
    """Look at (count, FRAME) samples from -32768 to 32767, each frame by itself."""
    energy = (frames**2).sum(axis=1)
    levels = 10 * np.log10(energy / FRAME + 1e-9)
    signs = np.signbit(frames - frames.mean(axis=1, keepdims=True))
    crossings = (signs[:, 1:] != signs[:, :-1]).mean(axis=1)
    # Of a tone of that frequency alone: its energy in the frame.
    tones = 2 / FRAME * np.abs(frames @ WAVES) ** 2
    return [
        Heard(float(level), float(crossing), _key(tone, total))
        for level, crossing, tone, total in zip(levels, crossings, tones, energy, strict=True)
    ]


def _key(tones: NDArray[np.float64], energy: float) -> str:
    """Return the key that a frame is the sound of, "" if none."""
    row, column = int(tones[:4].argmax()), int(tones[4:].argmax())
    pair = sorted((float(tones[row]), float(tones[4 + column])))
    is_key = pair[0] > LEAST_OF_PAIR * pair[1] and sum(pair) > LEAST_KEY_SHARE * energy > 0
    return KEYS[row][column] if is_key and 10 * np.log10(energy / FRAME) > QUIETEST_DB else ""
