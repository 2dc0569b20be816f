"""The description that a worker gives its host."""

import base64
import json
from typing import Any, Final

from aiges._runtime import schema
from aiges._runtime.declaration import Declaration, declare
from aiges._runtime.fields import IMAGE_PLACEHOLDER
from aiges.sdk import WrapperBase

MAX_EXAMPLE_BYTES: Final = 1 << 16
"""Test data of one input, to be shown; what is larger stays here."""


def describe(wrapper: Any, default_service_id: str) -> str:  # noqa: ANN401
    """Return `wrapper`'s description as JSON, in the form that hosts want.

    Its declared test data is in the member `x-example`, for a host that shows an example request.

    Args:
        wrapper: An instance; it need not derive from WrapperBase. If its class defines a `schema`
            of its own, that is asked.
        default_service_id: For a wrapper without `serviceId`.

    Raises:
        Exception: Whatever the wrapper's own `schema` raises.
    """
    if getattr(type(wrapper), "schema", WrapperBase.schema) is not WrapperBase.schema:
        return str(wrapper.schema())
    declaration = declare(wrapper, default_service_id=default_service_id)
    description = json.loads(schema.v2(declaration))
    if inputs := _test_data(declaration):
        description["x-example"] = {"inputs": inputs}
    return json.dumps(description)


def _test_data(declaration: Declaration) -> dict[str, str]:
    """Return the inputs for which there is data to test with, in base64."""
    data = {key: bytes(field.test_value) for key, field in declaration.inputs.items()}
    return {
        key: base64.b64encode(value).decode()
        for key, value in data.items()
        if value.strip() and value != IMAGE_PLACEHOLDER and len(value) <= MAX_EXAMPLE_BYTES
    }
