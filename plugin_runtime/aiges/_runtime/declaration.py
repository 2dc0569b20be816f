"""What a wrapper declares about itself, gathered from its class attributes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiges._runtime.fields import Field, ParamField, PayloadField

SUB: Final = "ase"
CALL: Final = "atmos"
CALL_TYPE: Final = 0
HOSTS: Final = "api.xf-yun.com"
DEFAULT_SERVICE_ID: Final = "svcName"
DEFAULT_VERSION: Final = "v1"


@dataclass(frozen=True)
class Declaration:
    """A wrapper's description.

    Attributes:
        service_id: Names the service, and its section of `parameter`.
        version: Part of the route.
        params: Parameters by key, in the order of their declaration.
        inputs: Inputs by key, likewise.
        outputs: Outputs by key, likewise.
        sub: For the gateway, as are the next two.
        call: For the gateway.
        call_type: For the gateway.
        route: The path of the service; the gateway also takes a list of paths.
    """

    service_id: str
    version: str
    params: dict[str, ParamField]
    inputs: dict[str, PayloadField]
    outputs: dict[str, Field]
    sub: str
    call: str
    call_type: int
    route: str | list[str]

    @property
    def required(self) -> list[str]:
        """Keys of the parameters that a request must have."""
        return [key for key, field in self.params.items() if field.required]

    def data_section(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return what `meta` says of inputs and outputs."""
        return {"input": data_types(self.inputs), "accept": data_types(self.outputs)}


def declare(wrapper: object, *, default_service_id: str = DEFAULT_SERVICE_ID) -> Declaration:
    """Gather what `wrapper` declares; what is missing gets a default, so this never fails.

    Args:
        wrapper: A wrapper or its class. It need not derive from WrapperBase.
        default_service_id: For a wrapper without `serviceId`.
    """
    service_id = str(getattr(wrapper, "serviceId", "") or default_service_id)
    version = str(getattr(wrapper, "version", "") or DEFAULT_VERSION)
    asked = declared_fields(getattr(wrapper, "requestCls", None))
    answered = declared_fields(getattr(wrapper, "responseCls", None))
    return Declaration(
        service_id=service_id,
        version=version,
        params={field.key: field for field in asked.values() if isinstance(field, ParamField)},
        inputs={field.key: field for field in asked.values() if isinstance(field, PayloadField)},
        outputs={
            field.key: field
            for name, field in answered.items()
            if isinstance(field, PayloadField) or name.startswith("accept")
        },
        sub=getattr(wrapper, "sub", None) or SUB,
        call=getattr(wrapper, "call", None) or CALL,
        call_type=getattr(wrapper, "call_type", None) or CALL_TYPE,
        route=getattr(wrapper, "route", None) or f"/{version}/private/{service_id}",
    )


def declared_fields(declaring: object) -> dict[str, Field]:
    """Collect the fields of a request or response class by attribute name.

    Args:
        declaring: The class or an instance of it. Inherited fields come first; a name that a
            subclass declares again keeps its place, and one that it sets to None is gone.
    """
    if isinstance(declaring, type):
        declaring_class, own = declaring, dict[str, Any]()
    else:
        declaring_class, own = type(declaring), getattr(declaring, "__dict__", {})
    found: dict[str, Any] = {}
    for base in reversed(declaring_class.__mro__):
        found.update(vars(base))
    found.update(own)
    return {name: value for name, value in found.items() if isinstance(value, Field)}


def data_types(fields: Mapping[str, Field]) -> dict[str, dict[str, str]]:
    """Return {key: {"dataType": kind}}."""
    return {key: {"dataType": field.kind} for key, field in fields.items()}
