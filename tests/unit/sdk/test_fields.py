from pathlib import Path

import pytest

from aiges.sdk import (
    AudioBodyField,
    BooleanParamField,
    Field,
    ImageBodyField,
    IntegerParamField,
    JsonBodyField,
    NumberParamField,
    ParamField,
    PayloadField,
    StringBodyField,
    StringParamField,
)


def test_fields_know_their_kind_and_type() -> None:
    assert [
        (field.data_type, isinstance(field, PayloadField), isinstance(field, ParamField))
        for field in (
            StringBodyField(key="k"),
            JsonBodyField(key="k"),
            AudioBodyField(key="k"),
            ImageBodyField(key="k"),
            StringParamField(key="k"),
            NumberParamField(key="k"),
            IntegerParamField(key="k"),
            BooleanParamField(key="k"),
        )
    ] == [
        (0, True, False),
        (0, True, False),
        (1, True, False),
        (2, True, False),
        ("string", False, True),
        ("number", False, True),
        ("integer", False, True),
        ("boolean", False, True),
    ]


def test_a_field_prints_its_class_and_key() -> None:
    assert str(ImageBodyField(key="img")) == "<ImageBodyField:img>"


def test_a_key_in_bytes_becomes_text() -> None:
    assert StringBodyField(key=b"number").key == "number"


def test_the_keywords_of_every_payload_field_are_kept() -> None:
    image = ImageBodyField(key="k", path="", need_base64=True, encoding="png", status=0)
    audio = AudioBodyField(
        key="k", path="", encoding="mp3", format="wav", compress="gzip", status=0
    )
    text = StringBodyField(
        key="k", need_base64=True, encoding="gbk", format="xml", compress="gzip", status=0
    )
    assert (image.need_base64, image.encoding, image.status) == (True, "png", 0)
    assert (audio.encoding, audio.format, audio.compress, audio.status) == ("mp3", "wav", "gzip", 0)
    assert (text.need_base64, text.encoding, text.format, text.compress, text.status) == (
        True,
        "gbk",
        "xml",
        "gzip",
        0,
    )


def test_image_and_audio_fields_read_their_test_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\x89PNG")
    image = ImageBodyField(key="k", path=str(tmp_path / "file"))
    assert (image.test_value, image.image) == (b"\x89PNG", b"\x89PNG")
    assert AudioBodyField(key="k", path=str(tmp_path / "file")).test_value == b"\x89PNG"


def test_a_missing_test_file_gives_a_placeholder_and_only_a_debug_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("DEBUG"):
        image = ImageBodyField(key="k", path="/nowhere/x.png")
        audio = AudioBodyField(key="k", path="/nowhere/x.wav")
    assert image.test_value == image.image == b"<your image base64 here>"
    assert (audio.test_value, audio.audio) == (b"", b" ")
    assert [record.levelname for record in caplog.records] == ["DEBUG", "DEBUG"]


@pytest.mark.parametrize(("value", "stored"), [(b"x", b"x"), ("中", "中".encode()), (3, b"3")])
def test_a_text_field_takes_text_and_bytes(value: object, stored: bytes) -> None:
    assert StringBodyField(key="k", value=value).test_value == stored
    assert StringBodyField(key="k").value == b" "


@pytest.mark.parametrize(
    ("value", "stored"), [("", b""), ('{"a": 1}', b'{"a": 1}'), ({"a": 1}, b'{"a": 1}')]
)
def test_a_json_field_is_tested_with_text(value: object, stored: bytes) -> None:
    field = JsonBodyField(key="k", value=value)
    assert (field.value, field.test_value) == (value, stored)


def test_parameters_are_tested_with_their_value_in_its_own_type() -> None:
    fields: list[Field] = [
        StringParamField(key="k", value="v"),
        StringParamField(key="k", value=b"v"),
        StringParamField(key="k"),
        NumberParamField(key="k", value=0.5),
        NumberParamField(key="k"),
        IntegerParamField(key="k", value=3),
        BooleanParamField(key="k", default=True),
        BooleanParamField(key="k"),
    ]
    assert [field.test_value for field in fields] == ["v", b"v", "", 0.5, 0, 3, True, False]


def test_a_text_parameter_takes_its_constraints_by_keyword() -> None:
    field = StringParamField(
        key="k", minLength=1, maxLength=4, enums=["3", 4], required=True, description="d", title="t"
    )
    assert (field.minLength, field.maxLength, field.enums) == (1, 4, ["3", "4"])
    assert (field.required, field.description, field.title) == (True, "d", "t")


def test_fields_do_not_share_their_enums() -> None:
    first, second = StringParamField(key="a"), StringParamField(key="b")
    first.enums.append("x")
    assert second.enums == []
