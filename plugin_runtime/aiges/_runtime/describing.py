"""The description that a worker gives its host."""

from typing import Any

from aiges._runtime import schema
from aiges._runtime.declaration import declare
from aiges.sdk import WrapperBase


def describe(wrapper: Any, default_service_id: str) -> str:  # noqa: ANN401
    """Return `wrapper`'s description as JSON, in the form that hosts want.

    Args:
        wrapper: An instance; it need not derive from WrapperBase. If its class defines a `schema`
            of its own, that is asked.
        default_service_id: For a wrapper without `serviceId`.

    Raises:
        Exception: Whatever the wrapper's own `schema` raises.
    """
    if getattr(type(wrapper), "schema", WrapperBase.schema) is not WrapperBase.schema:
        return str(wrapper.schema())
    return schema.v2(declare(wrapper, default_service_id=default_service_id))
