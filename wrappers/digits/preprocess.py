"""From any picture of one digit to what the model was trained on. Pure."""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

SIDE: Final = 28
BOX: Final = 20
"""MNIST scales a digit into a box of this side and centres it by mass in the 28 x 28."""

MAX_PIXELS: Final = 40_000_000
WORK_SIDE: Final = 160
"""Larger pictures are first reduced to this: more detail than the model ever sees."""

FAINTEST_INK: Final = 0.1
"""Contrast below this, of 1, is no ink."""

CENTRE: Final = (SIDE - 1) / 2

Grey = NDArray[np.float32]


class NoPictureError(ValueError):
    """The bytes are no picture that can be read."""


class NoDigitError(ValueError):
    """The picture has nothing on it."""


def digit_image(data: bytes) -> Grey:
    """Find the digit in a picture and bring it into MNIST's form.

    Args:
        data: PNG, JPEG or another common format; colour or grey, with or without transparency,
            dark on light or light on dark, of any size.

    Returns:
        Shape (1, 1, 28, 28): 0.0 is background, 1.0 is ink.

    Raises:
        NoPictureError: Not a picture, a broken one, or one of more than `MAX_PIXELS`.
        NoDigitError: All of one shade.
    """
    ink = _ink(_grey(data))
    marked = _digit_cells(ink > ink.max() / 2)
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    # One cell more: the soft edge of a stroke belongs to it.
    top, bottom = max(rows[0] - 1, 0), rows[-1] + 2
    left, right = max(columns[0] - 1, 0), columns[-1] + 2
    near = _grown(marked)[top:bottom, left:right]
    return _centred(ink[top:bottom, left:right] * near)[None, None]


def _grey(data: bytes) -> Grey:
    """Decode to brightness in [0, 1], transparency as white, no side longer than `WORK_SIDE`."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise NoPictureError(f"{picture.width} x {picture.height} is too large")
            flat = picture.convert("RGBA")
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise NoPictureError(str(error)) from None
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for broken files
        raise NoPictureError(f"broken picture: {error}") from None
    paper = Image.new("RGBA", flat.size, "white")
    grey = Image.alpha_composite(paper, flat).convert("L")
    grey.thumbnail((WORK_SIDE, WORK_SIDE), Image.Resampling.BOX)
    return np.asarray(grey, np.float32) / 255.0


def _ink(grey: Grey) -> Grey:
    """Return how far each cell is from the background, which most cells are; 1.0 at most."""
    ink = np.abs(grey - np.median(grey))
    strongest = float(ink.max())
    if strongest < FAINTEST_INK:
        raise NoDigitError("the picture has nothing on it")
    return (ink / strongest).astype(np.float32)


def _digit_cells(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the strokes of the digit; leave out specks, and frames along the picture's edge."""
    parts = _parts(marked)
    inside = [part for part in parts if not _touches_edge(part, marked.shape)]
    largest_inside = max((len(part) for part in inside), default=0)
    largest = max(len(part) for part in parts)
    # A digit drawn up to the edge is larger than whatever else is on the picture.
    if largest_inside * 4 >= largest:
        parts, largest = inside, largest_inside
    kept = np.zeros_like(marked)
    for part in parts:
        if len(part) * 10 >= largest:
            kept[tuple(zip(*part, strict=True))] = True
    return kept


def _parts(marked: NDArray[np.bool_]) -> list[list[tuple[int, int]]]:
    """Group marked cells that touch, corners included."""
    todo = set(zip(*(axis.tolist() for axis in np.nonzero(marked)), strict=True))
    parts = []
    while todo:
        part = [todo.pop()]
        for row, column in part:  # grows while it is read
            for neighbour in [(row + r, column + c) for r in (-1, 0, 1) for c in (-1, 0, 1)]:
                if neighbour in todo:
                    todo.remove(neighbour)
                    part.append(neighbour)
        parts.append(part)
    return parts


def _touches_edge(part: list[tuple[int, int]], shape: tuple[int, ...]) -> bool:
    return any(row in (0, shape[0] - 1) or column in (0, shape[1] - 1) for row, column in part)


def _grown(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the neighbours of marked cells as well."""
    wide = np.pad(marked, 1)
    rows, columns = marked.shape
    shifts = [(r, c) for r in range(3) for c in range(3)]
    return np.any([wide[r : r + rows, c : c + columns] for r, c in shifts], axis=0)


def _centred(ink: Grey) -> Grey:
    """Scale into the box and put the centre of mass into the middle."""
    height, width = ink.shape
    scale = BOX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC)
    small = np.clip(np.asarray(picture, np.float32), 0.0, None)
    small /= small.max()
    mass = small.sum()
    row = float((small.sum(axis=1) @ np.arange(small.shape[0])) / mass)
    column = float((small.sum(axis=0) @ np.arange(small.shape[1])) / mass)
    top = min(max(round(CENTRE - row), 0), SIDE - small.shape[0])
    left = min(max(round(CENTRE - column), 0), SIDE - small.shape[1])
    canvas = np.zeros((SIDE, SIDE), np.float32)
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas
