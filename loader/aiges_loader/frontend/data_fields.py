"""The field that carries the data of an input or output names the data's type."""

from collections.abc import Mapping
from typing import Final

from aiges_wire.codes import DataType

TYPE_OF_FIELD: Final[Mapping[str, DataType]] = {
    "text": DataType.TEXT,
    "image": DataType.IMAGE,
    "audio": DataType.AUDIO,
    "video": DataType.VIDEO,
    "other": DataType.OTHER,
}
"""In the order of precedence, should a payload entry have several."""

FIELD_OF_TYPE: Final[Mapping[int, str]] = {number: name for name, number in TYPE_OF_FIELD.items()}
