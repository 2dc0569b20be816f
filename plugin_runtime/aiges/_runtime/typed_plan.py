"""How a typed method is called, and what is made of what it returns. Pure.

`typed_signature.py` makes a plan of a method's types.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from aiges._runtime.fields import PayloadField
from aiges._runtime.param_values import UNSET, ValueKind, text_of
from aiges._runtime.payloads import BadValueError, Payload, item_of, received
from aiges.dto import DataListCls, DataListNode, Response


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter of the method that gets an input of the request."""

    name: str
    kind: type[Payload]
    field: PayloadField
    optional: bool
    streams: bool  # the method gets an iterator over what comes


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the method that gets a parameter of the request."""

    name: str
    kind: ValueKind
    key: str
    default: Any


@dataclass(frozen=True, slots=True)
class Output:
    """A part of what the method returns; without a name it is all of that."""

    name: str
    kind: type[Payload]
    field: PayloadField
    encoding: str  # what the client is told if the method says nothing of it
    optional: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How a method is called, and what is made of what it returns.

    Attributes:
        where: Names the method, for messages.
        streams: Whether it has a stream of results, or one.
        is_async: Whether it is a coroutine, or an asynchronous generator.
        request: What the schema says of requests: a class with fields.
        reply: Likewise of replies.
        inputs: What it takes of the payload.
        parameters: What it takes of the parameters.
        outputs: What it gives.
        returns: What it must return, or yield.
    """

    where: str
    streams: bool
    is_async: bool
    request: type
    reply: type
    inputs: tuple[Input, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...]
    returns: type

    def once_arguments(
        self, params: Mapping[str, object], inputs: DataListCls
    ) -> dict[str, object]:
        """Make the method's arguments of one request.

        Raises:
            BadValueError: Naming everything that the signature does not allow.
        """
        nodes = {node.key: node for node in reversed(inputs.list)}  # the first of a key counts
        return self._arguments(params, nodes)

    def stream_arguments(
        self, params: Mapping[str, object], packages: Iterator[DataListCls]
    ) -> dict[str, object]:
        """Make the method's arguments of a session.

        If none of its inputs is an iterator this waits until the input is complete, and joins
        what has come of each. Otherwise the first package has the other inputs.

        Args:
            params: The session's parameters.
            packages: The session's inputs, as they come.

        Raises:
            BadValueError: Naming everything that the signature does not allow.
        """
        streaming = next((given for given in self.inputs if given.streams), None)
        if streaming is None:
            return self._arguments(params, _joined(packages))
        first = next(packages, DataListCls())
        arguments = self._arguments(params, {node.key: node for node in reversed(first.list)})
        arguments[streaming.name] = _pieces(streaming, first, packages)
        return arguments

    def response(self, returned: object) -> Response:
        """Make a Response of what the method has returned, or yielded.

        Raises:
            TypeError: It is not what the signature says.
        """
        if not isinstance(returned, self.returns):
            kind = type(returned).__name__
            verb = "yielded" if self.streams else "returned"
            raise TypeError(f"{self.where} {verb} a {kind}, expected {self.returns.__name__}")
        response = Response()
        response.list = []
        for output in self.outputs:
            value = getattr(returned, output.name) if output.name else returned
            if value is None and output.optional:
                continue
            if not isinstance(value, output.kind):
                kind, wanted = type(value).__name__, output.kind.__name__
                raise TypeError(f"{self.where}: {output.name} is a {kind}, expected {wanted}")
            response.list.append(item_of(output.field.key, value, output.encoding))
        return response

    def _arguments(
        self, params: Mapping[str, object], nodes: Mapping[str, DataListNode]
    ) -> dict[str, object]:
        arguments: dict[str, object] = {}
        problems: list[str] = []
        for parameter in self.parameters:
            try:
                arguments[parameter.name] = _value(parameter, params.get(parameter.key))
            except BadValueError as error:
                problems.append(f"parameter {parameter.key!r}: {error}")
        for given in self.inputs:
            node = nodes.get(given.field.key)
            if given.streams:
                continue
            if node is not None:
                try:
                    arguments[given.name] = received(given.kind, node, given.field.encoding)
                except BadValueError as error:
                    problems.append(str(error))
            elif given.optional:
                arguments[given.name] = None
            else:
                problems.append(f"payload {given.field.key!r}: is missing")
        if problems:
            raise BadValueError("; ".join(problems))
        return arguments


def _value(parameter: Parameter, given: object) -> object:
    if given is not None:
        return parameter.kind.read(text_of(given))
    if parameter.default is UNSET:
        raise BadValueError("is missing")
    return parameter.default


def _joined(packages: Iterable[DataListCls]) -> dict[str, DataListNode]:
    """Join what comes of each input; its first piece says what it is."""
    pieces: dict[str, list[DataListNode]] = {}
    for package in packages:
        for node in package.list:
            pieces.setdefault(node.key, []).append(node)
    joined = {}
    for key, nodes in pieces.items():
        whole = DataListNode()
        whole.key, whole.type, whole.desc = key, nodes[0].type, nodes[0].desc
        whole.data = b"".join(node.data for node in nodes)
        whole.len = len(whole.data)
        joined[key] = whole
    return joined


def _pieces(
    streaming: Input, first: DataListCls, packages: Iterator[DataListCls]
) -> Iterator[Payload]:
    desc: dict[str, str] = {}
    for package in chain((first,), packages):
        for node in package.list:
            if node.key == streaming.field.key:
                desc = node.desc or desc  # clients say only once what they send
                node.desc = desc
                yield received(streaming.kind, node, streaming.field.encoding)
