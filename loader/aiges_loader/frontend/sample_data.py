"""Small test data for example requests, made up from arithmetic. No I/O."""

import math
import struct
import zlib
from typing import Final

TEXT: Final = b"hello"

_SIDE: Final = 28
"""Pixels of the picture's width and height."""
_STROKE: Final = 3
"""Pixels of the pen's width."""
_SAMPLE_RATE: Final = 16_000
"""Samples a second."""
_SAMPLES: Final = 1_600
_PITCH_HZ: Final = 440
_LOUDNESS: Final = 8_000
"""Of 32 767."""


def picture() -> bytes:
    """Return a PNG file: a white 7 on black, 28 by 28 pixels, 8 bits of grey."""
    rows = b"".join(
        b"\0" + bytes(255 if _is_ink(row, column) else 0 for column in range(_SIDE))
        for row in range(_SIDE)
    )
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def tone() -> bytes:
    """Return 0.1 s of a 440 Hz tone: PCM, 16 kHz, one channel, 16 bits, low byte first."""
    step = 2 * math.pi * _PITCH_HZ / _SAMPLE_RATE
    samples = (round(_LOUDNESS * math.sin(step * n)) for n in range(_SAMPLES))
    return struct.pack(f"<{_SAMPLES}h", *samples)


def _is_ink(row: int, column: int) -> bool:
    """Say whether a pixel belongs to the 7: a bar at the top and a slanting stem below it."""
    in_bar = row in range(5, 8) and column in range(7, 21)
    middle = 19.5 - (row - 7) * 0.5
    in_stem = row in range(8, 23) and 2 * abs(column - middle) <= _STROKE
    return in_bar or in_stem


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
