"""What the plugins in C declare in wrapper.schema.json, said as a Python wrapper says it."""

# ruff: noqa: N815 - wrappers write these names.

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiges.sdk import AudioBodyField, NumberParamField, StringBodyField, WrapperBase

ROOT = Path(__file__).resolve().parents[2]


class TextRequest:
    text = StringBodyField(key="text", value=b"hello")


class TextResponse:
    result = StringBodyField(key="result")


class SoundRequest:
    threshold_db = NumberParamField(key="threshold_db", minimum=3, maximum=40, value=9)
    hangover_ms = NumberParamField(key="hangover_ms", minimum=10, maximum=5000, value=300)
    audio = AudioBodyField(key="audio", encoding="raw")


class EventsResponse:
    events = StringBodyField(key="events", format="json")


class Upper(WrapperBase):
    serviceId, version = "upper", "v1"
    requestCls, responseCls = TextRequest(), TextResponse()


class Async(WrapperBase):
    serviceId, version = "async", "v1"
    requestCls, responseCls = TextRequest(), TextResponse()


class Vad(WrapperBase):
    serviceId, version = "vad", "v1"
    requestCls, responseCls = SoundRequest(), EventsResponse()


class Template(WrapperBase):
    serviceId, version = "PROJECT_NAME", "v1"
    requestCls, responseCls = TextRequest(), TextResponse()


SCHEMAS: Mapping[str, type[WrapperBase]] = {
    "wrappers/c/upper/wrapper.schema.json": Upper,
    "wrappers/c/async/wrapper.schema.json": Async,
    "wrappers/c/vad/wrapper.schema.json": Vad,
    "plugin_runtime/aiges/authoring/templates/c/wrapper.schema.json": Template,
}


def text_of(wrapper: type[WrapperBase]) -> str:
    """Return the file that says of a plugin what `wrapper` says of itself."""
    found: Any = json.loads(wrapper(legacy=False).schema())
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, wrapper in SCHEMAS.items():
        sys.stdout.write(f"{name}\n")
        (ROOT / name).write_text(text_of(wrapper), "utf-8")
