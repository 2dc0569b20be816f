"""What a service says about itself: its route, its inputs and outputs. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiges.client.data import KINDS, Kind


class DescriptionError(ValueError):
    """The documents describe no service; `str(error)` names what is missing."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a client needs to know of a service.

    Attributes:
        service_id: Names the service's member of the parameter section.
        route: Path to send requests to.
        inputs: Name -> kind.
        outputs: Name -> kind; what a call expects unless it says otherwise.
    """

    service_id: str = ""
    route: str = ""
    inputs: Mapping[str, Kind] = field(default_factory=dict)
    outputs: Mapping[str, Kind] = field(default_factory=dict)


def describe(openapi: object, example: object = None) -> Description:
    """Read what a service publishes.

    Args:
        openapi: /openapi.json, decoded.
        example: /test.json, decoded: a request that works, which knows the kinds of data better;
            None if the service has none.

    Raises:
        DescriptionError: There is no route.
    """
    servers = _at(openapi, "servers")
    route = _at(servers[0], "url") if isinstance(servers, list) and servers else None
    if not isinstance(route, str) or not route.startswith("/"):
        raise DescriptionError("openapi.json has no servers[0].url that is a path")
    if isinstance(example, dict):
        return _of_example(route, example)
    post = _at(openapi, "paths", "/", "post")
    request = _schema(_at(post, "requestBody"))
    answer = _schema(_at(post, "responses", "200"))
    services = _members(_at(request, "properties", "parameter", "properties"))
    return Description(
        service_id=next(iter(services), ""),
        route=route,
        inputs=_kinds(_at(request, "properties", "payload", "properties")),
        outputs=_kinds(_at(answer, "properties", "payload", "properties")),
    )


def _of_example(route: str, example: Mapping[str, object]) -> Description:
    services = _members(_at(example, "parameter"))
    service_id = next(iter(services), "")
    expected = {
        name: _kind(_at(wanted, "data_type"))
        for name, wanted in _members(services.get(service_id)).items()
        if isinstance(wanted, dict)
    }
    inputs = {
        name: _kind(next((kind for kind in KINDS if kind in _members(entry)), None))
        for name, entry in _members(_at(example, "payload")).items()
    }
    return Description(service_id, route, inputs, expected)


def _schema(part: object) -> object:
    return _at(part, "content", "application/json", "schema")


def _kinds(properties: object) -> dict[str, Kind]:
    """Tell kinds from the data field that each entry declares."""
    return {
        name: _kind(next((k for k in KINDS if k in _members(_at(entry, "properties"))), None))
        for name, entry in _members(properties).items()
    }


def _kind(word: object) -> Kind:
    return next((kind for kind in KINDS if kind == word), "other")


def _members(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _at(value: object, *path: str) -> object:
    """Return the member at the end of a path, None if there is none."""
    for name in path:
        value = _members(value).get(name)
    return value
