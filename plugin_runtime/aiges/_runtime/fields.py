"""The fields with which a wrapper declares its parameters, inputs and outputs.

`aiges.sdk` exports them. A field carries a test value for local runs; image and audio fields read
theirs from a file when they are made.
"""

# ruff: noqa: N803, PLR0913, PLR0917 - wrappers write these names, some of them by position.

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from aiges.core.types import DataAudio, DataImage, DataText, Once, Types

log = logging.getLogger("aiges.sdk")

IMAGE_PLACEHOLDER: Final = b"<your image base64 here>"
"""Stands for a test image that is not there."""


class Field:
    """Anything that a wrapper declares.

    Attributes:
        key: Its name in requests and replies.
        data_type: A number of `aiges.core.types` for payload, a JSON schema type for parameters.
        test_value: What a local run gives the wrapper.
        description: For the schema.
        title: For the schema.
    """

    def __init__(
        self,
        key: str | bytes,
        data_type: int | str,
        test_value: Any,  # noqa: ANN401 - of the field's own type
        description: str = "",
        title: str = "",
    ) -> None:
        self.key = key.decode("utf-8") if isinstance(key, bytes) else key
        self.data_type = data_type
        self.test_value = test_value
        self.description = description
        self.title = title

    @property
    def kind(self) -> str:
        """What it carries as an input or output: text, audio, image or video."""
        return Types.get(self.data_type, "text") if isinstance(self.data_type, int) else "text"

    def __str__(self) -> str:
        return f"<{type(self).__name__}:{self.key}>"


class PayloadField(Field):
    """An input or an output.

    Attributes:
        encoding: How its content is encoded.
        format: Of text and audio.
        compress: Of text and audio.
        status: Where in a stream it stands.
    """

    data_type: int

    def __init__(
        self,
        key: str | bytes,
        data_type: int,
        test_value: bytes,
        *,
        encoding: str,
        format: str = "plain",  # noqa: A002 - wrappers use it
        compress: str = "raw",
        status: int = Once,
    ) -> None:
        super().__init__(key, data_type, test_value)
        self.encoding = encoding
        self.format = format
        self.compress = compress
        self.status = status


class ImageBodyField(PayloadField):
    """A picture; `path` is a file to test with, relative to the working directory."""

    def __init__(
        self,
        key: str | bytes,
        path: str = "",
        need_base64: bool = False,
        encoding: str = "jpg",
        status: int = Once,
    ) -> None:
        self.path = path
        self.need_base64 = need_base64
        self.image = _read(path, IMAGE_PLACEHOLDER)
        super().__init__(key, DataImage, self.image, encoding=encoding, status=status)


class AudioBodyField(PayloadField):
    """Sound; `path` is a file to test with, relative to the working directory."""

    audio = b" "

    def __init__(
        self,
        key: str | bytes,
        path: str = "",
        encoding: str = "raw",
        format: str = "plain",  # noqa: A002
        compress: str = "raw",
        status: int = Once,
    ) -> None:
        self.path = path
        super().__init__(
            key,
            DataAudio,
            _read(path, b""),
            encoding=encoding,
            format=format,
            compress=compress,
            status=status,
        )


class StringBodyField(PayloadField):
    """Text; `value` is something to test with."""

    def __init__(
        self,
        key: str | bytes,
        value: Any = b" ",  # noqa: ANN401 - bytes, but text and more are seen
        need_base64: bool = False,
        encoding: str = "utf8",
        format: str = "plain",  # noqa: A002
        compress: str = "raw",
        status: int = Once,
    ) -> None:
        self.value = _bytes(value)
        self.need_base64 = need_base64
        super().__init__(
            key,
            DataText,
            self.value,
            encoding=encoding,
            format=format,
            compress=compress,
            status=status,
        )


class JsonBodyField(PayloadField):
    """Text that is JSON; `value` is something to test with: its text, or what to write as JSON."""

    def __init__(self, key: str | bytes, value: Any = "", need_base64: bool = False) -> None:  # noqa: ANN401
        self.value = value
        self.need_base64 = need_base64
        text = value if isinstance(value, str | bytes) else json.dumps(value)
        super().__init__(key, DataText, _bytes(text), encoding="utf8", format="json")


class ParamField(Field):
    """A parameter.

    Attributes:
        default: What the schema gives as default; None if the wrapper declares none.
        required: Whether a request must have it.
    """

    def __init__(
        self,
        key: str | bytes,
        data_type: str,
        test_value: Any,  # noqa: ANN401
        *,
        default: str | float | bool | None,
        required: bool,
        description: str = "",
        title: str = "",
    ) -> None:
        super().__init__(key, data_type, test_value, description, title)
        self.default = default
        self.required = required


class StringParamField(ParamField):
    """A text parameter.

    Attributes:
        minLength: Fewest characters.
        maxLength: Most characters; None: any number.
        enums: The only allowed values, if any.
        value: What it is tested with, and its default unless it is empty.
    """

    def __init__(
        self,
        key: str | bytes,
        minLength: int = 0,
        maxLength: int | None = 1024,
        enums: Sequence[Any] = (),
        required: bool = False,
        value: Any = "",  # noqa: ANN401 - text, but bytes and numbers are seen
        description: str = "",
        title: str = "",
    ) -> None:
        super().__init__(
            key,
            "string",
            value,
            default=None if value in ("", b"", None) else _text(value),
            required=required,
            description=description,
            title=title,
        )
        self.minLength = minLength
        self.maxLength = maxLength
        self.enums = [_text(choice) for choice in enums]
        self.value = value


class RangeParamField(ParamField):
    """What the two numeric parameters share.

    Attributes:
        minimum: Lowest allowed value; None: any.
        maximum: Highest allowed value; None: any.
        enums: The only allowed values, if any.
        value: What it is tested with.
    """

    def __init__(
        self,
        key: str | bytes,
        minimum: float | None = 0,
        maximum: float | None = 100,
        enums: Sequence[float] = (),
        required: bool = False,
        value: float | None = None,
        *,
        data_type: str,
    ) -> None:
        self.minimum = minimum
        self.maximum = maximum
        self.enums = list(enums)
        self.value = 0 if value is None else value
        super().__init__(key, data_type, self.value, default=value, required=required)


class NumberParamField(RangeParamField):
    """A numeric parameter; without `value` it is tested with 0 and has no default."""

    def __init__(
        self,
        key: str | bytes,
        minimum: float | None = 0,
        maximum: float | None = 100,
        enums: Sequence[float] = (),
        required: bool = False,
        value: float | None = None,
    ) -> None:
        super().__init__(key, minimum, maximum, enums, required, value, data_type="number")


class IntegerParamField(RangeParamField):
    """A whole-number parameter; without `value` it is tested with 0 and has no default."""

    def __init__(
        self,
        key: str | bytes,
        minimum: int | None = 0,
        maximum: int | None = 100,
        enums: Sequence[int] = (),
        required: bool = False,
        value: int | None = None,
    ) -> None:
        super().__init__(key, minimum, maximum, enums, required, value, data_type="integer")


class BooleanParamField(ParamField):
    """A yes-or-no parameter; `default` is what it is tested with, None is tested as False."""

    def __init__(
        self,
        key: str | bytes,
        title: str = "",
        default: bool | None = False,
        required: bool = False,
    ) -> None:
        value = bool(default)
        super().__init__(key, "boolean", value, default=default, required=required, title=title)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8")


def _read(path: str, placeholder: bytes) -> bytes:
    """Read a test file; it need not be there, least of all where the wrapper is served."""
    if not path:
        return placeholder
    try:
        return Path(path).read_bytes()
    except OSError as error:
        log.debug("no test data for a local run: %s", error)
        return placeholder
