"""Wrappers that say by types what they take and give.

    from typing import Annotated, Literal

    from aiges.typed import Image, Param, Text, TypedWrapper

    class Wrapper(TypedWrapper):
        serviceId, version = "digits", "v1"

        def load(self, config):
            self.model = ...

        def infer(
            self,
            img: Image,
            top: Annotated[int, Param(minimum=1, maximum=10)] = 1,
            unit: Literal["number", "percent"] = "number",
        ) -> Text:
            return Text(self.model.read(img.data, top, unit))

Inside, it is a `WrapperBase` with the methods that every host calls.
"""

from aiges._runtime.param_values import Param
from aiges._runtime.payloads import Audio, Image, Json, Payload, Text
from aiges._runtime.typed_signature import Body
from aiges._runtime.typed_wrapper import CodedError, TypedWrapper
from aiges.core.types import DataBegin, DataContinue, DataEnd, Once

__all__ = [
    "Audio",
    "Body",
    "CodedError",
    "DataBegin",
    "DataContinue",
    "DataEnd",
    "Image",
    "Json",
    "Once",
    "Param",
    "Payload",
    "Text",
    "TypedWrapper",
]
