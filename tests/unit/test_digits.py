"""The digits sample: its pre-processing and its model, on pictures as people send them."""

import importlib.util
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aiges.dto import DataListCls, DataListNode

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "wrappers" / "digits"
CELL = 28
SCALES = (1.0, 2.5, 6.0)


def sheet() -> Iterator[tuple[int, Image.Image]]:
    """Yield (label, 28 x 28 picture): ten of each digit that the model was not trained on."""
    with Image.open(ROOT / "tests" / "data" / "digits.png") as picture:
        for digit in range(10):
            for column in range(10):
                x, y = column * CELL, digit * CELL
                yield digit, picture.crop((x, y, x + CELL, y + CELL))


DIGITS = list(sheet())


@pytest.fixture(scope="module")
def module() -> Iterator[ModuleType]:
    """The sample's wrapper module, loaded as a worker would, and forgotten afterwards."""
    sys.path.insert(0, str(SAMPLE))
    spec = importlib.util.spec_from_file_location("digits_wrapper", SAMPLE / "wrapper.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    yield loaded
    sys.path.remove(str(SAMPLE))
    del sys.modules["preprocess"]


@pytest.fixture(scope="module")
def wrapper(module: ModuleType) -> Any:
    made = module.Wrapper()
    assert made.wrapperInit({}) == 0
    return made


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def ask(wrapper: Any, data: bytes, **params: str) -> Any:
    node = DataListNode()
    node.key, node.data = "img", data
    inputs = DataListCls()
    inputs.list = [node]
    return wrapper.wrapperOnceExec(params, inputs)


def recognised(wrapper: Any, data: bytes) -> int:
    answer = ask(wrapper, data)
    assert answer.error_code == 0
    return int(json.loads(answer.list[0].data)["result"])


def share_right(wrapper: Any, pictures: Iterator[tuple[int, bytes]]) -> float:
    found = [recognised(wrapper, data) == digit for digit, data in pictures]
    return sum(found) / len(found)


def test_the_example_picture_is_a_seven_in_the_published_words(wrapper: Any) -> None:
    answer = ask(wrapper, (SAMPLE / "test_data" / "7.png").read_bytes())
    assert [(item.key, item.type) for item in answer.list] == [("result", 0)]
    assert answer.list[0].data.decode() == '{"result": 7, "msg": "识别结果为数字: 7"}'


def test_who_asks_for_details_learns_how_sure_the_model_is(wrapper: Any) -> None:
    sure, right = [], []
    for digit, picture in DIGITS:
        answer = json.loads(ask(wrapper, encoded(picture), detail="true").list[0].data)
        assert answer["result"] == answer["scores"].index(max(answer["scores"]))
        assert answer["confidence"] == max(answer["scores"]) <= 1
        assert sum(answer["scores"]) == pytest.approx(1, abs=0.001)
        sure.append(answer["confidence"])
        right.append(answer["result"] == digit)
    # What it is sure of is right, and it is not sure of what it gets wrong.
    assert all(r for r, c in zip(right, sure, strict=True) if c > 0.99)
    assert sum(c > 0.99 for c in sure) > 70


def test_digits_as_they_come_from_mnist(wrapper: Any) -> None:
    assert share_right(wrapper, ((d, encoded(p)) for d, p in DIGITS)) >= 0.96


def test_dark_ink_on_light_paper(wrapper: Any) -> None:
    inverted = ((d, encoded(p.point(lambda value: 255 - value))) for d, p in DIGITS)
    assert share_right(wrapper, inverted) >= 0.96


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_coloured_digits_anywhere_on_a_larger_picture(kind: str, wrapper: Any) -> None:
    random = np.random.default_rng(5)
    assert share_right(wrapper, (scene(random, d, p, kind) for d, p in DIGITS)) >= 0.93


def scene(
    random: np.random.Generator, digit: int, picture: Image.Image, kind: str
) -> tuple[int, bytes]:
    scale = SCALES[int(random.integers(len(SCALES)))]
    large = picture.resize([int(CELL * scale)] * 2, Image.Resampling.BICUBIC)
    dark, light = (
        ((20, 30, 90), (250, 240, 200)) if random.random() < 0.5 else ((90, 0, 0), (200,) * 3)
    )
    paper, ink = (dark, light) if random.random() < 0.5 else (light, dark)
    width, height = (int(large.width * random.uniform(1.2, 3.0)) for _ in range(2))
    canvas = Image.new("RGB", (width, height), paper)
    place = (
        int(random.integers(1, width - large.width)),
        int(random.integers(1, height - large.height)),
    )
    canvas.paste(Image.new("RGB", large.size, ink), place, large)
    return digit, encoded(canvas, kind)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_pixel(mode: str, wrapper: Any) -> None:
    digit, picture = DIGITS[70]
    assert digit == 7
    large = picture.resize((112, 112))
    if mode == "I;16":
        large = Image.fromarray(np.asarray(large).astype(np.uint16) * 257)
    data = encoded(large.convert(mode), "TIFF" if mode == "CMYK" else "PNG")
    assert recognised(wrapper, data) == 7


def test_ink_on_transparent_ground(wrapper: Any) -> None:
    _, picture = DIGITS[31]
    clear = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    clear.paste(Image.new("RGBA", picture.size, "black"), (0, 0), picture)
    assert recognised(wrapper, encoded(clear)) == 3


def test_a_frame_and_specks_around_the_digit_are_not_the_digit(wrapper: Any) -> None:
    _, picture = DIGITS[52]
    large = Image.new("L", (200, 200))
    large.paste(picture.resize((120, 120)), (40, 40))
    for along in range(200):
        large.putpixel((along, 0), 255)
        large.putpixel((0, along), 255)
    large.putpixel((190, 190), 255)
    assert recognised(wrapper, encoded(large)) == 5


def test_the_prepared_image_is_in_mnists_form(module: ModuleType) -> None:
    image = module.digit_image(encoded(DIGITS[0][1].resize((300, 90))))
    assert image.shape == (1, 1, CELL, CELL)
    assert image.dtype == np.float32
    assert 0.0 <= image.min() < image.max() <= 1.0
    rows, columns = np.nonzero(image[0, 0] > 0.5)
    assert max(np.ptp(rows), np.ptp(columns)) <= 20


BOMB = encoded(Image.new("1", (9000, 9000)))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", 101),
        (b"not a picture", 101),
        (encoded(DIGITS[0][1])[:60], 101),
        (encoded(DIGITS[0][1])[:-30], 101),
        (BOMB, 101),
        (encoded(Image.new("RGB", (50, 50), "white")), 102),
        (encoded(Image.new("L", (1, 1), 7)), 102),
    ],
)
def test_what_cannot_be_recognised_has_a_code_and_words(
    data: bytes, code: int, wrapper: Any
) -> None:
    assert ask(wrapper, data).error_code == code
    assert wrapper.wrapperError(code)


def test_a_request_without_a_picture_is_answered(wrapper: Any) -> None:
    assert wrapper.wrapperOnceExec({}, DataListCls()).error_code == 101
