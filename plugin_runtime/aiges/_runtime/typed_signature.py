"""What the signature of a typed wrapper's method says: inputs, parameters, outputs. Pure."""

import collections.abc
import dataclasses
import inspect
import re
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from aiges._runtime.binding import BadSignatureError
from aiges._runtime.fields import (
    AudioBodyField,
    Field,
    ImageBodyField,
    JsonBodyField,
    PayloadField,
    StringBodyField,
)
from aiges._runtime.param_values import UNSET, Param, kind_of
from aiges._runtime.payloads import PAYLOADS, Image, Json, Payload, Text
from aiges._runtime.typed_plan import Input, Output, Parameter, Plan

METHOD: Final = "infer"
DEFAULT_OUTPUT: Final = "result"

_SYNC: Final = (collections.abc.Iterator, collections.abc.Iterable, collections.abc.Generator)
_ASYNC: Final = (
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncGenerator,
)
_INPUT_TYPES: Final = "Text, Json, Image, Audio"
_PARAM_TYPES: Final = "str, int, float, bool, a Literal or an Enum"


@dataclass(frozen=True, kw_only=True)
class Body:
    """What there is to say of an input or output beside its type: `Annotated[Image, Body(...)]`.

    Attributes:
        key: Its name in requests and replies, if that is another than in the signature.
        encoding: What counts if the client names none; for the schema. "" is the usual one.
        path: A file that a local run gives as this input, relative to the working directory.
        value: What a local run gives: text, or for Json its text, or what to write as JSON.
    """

    key: str = ""
    encoding: str = ""
    path: str = ""
    value: Any = UNSET


@dataclass(frozen=True, slots=True)
class _Part:
    """An annotation taken apart."""

    annotation: Any  # without metadata, and without None
    marker: Param | Body | None
    optional: bool  # it had None beside it


def plan_of(function: Callable[..., object], where: str) -> Plan:
    """Read a method's signature.

    Args:
        function: As it stands in its class, so with `self`.
        where: Names it, for messages.

    Raises:
        BadSignatureError: Naming what in the signature cannot be served, and what could.
    """
    hints = _hints(function, where)
    inputs: list[Input] = []
    parameters: list[tuple[Parameter, Field]] = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        name = parameter.name
        with _Blaming(f"{where}: parameter {name!r}"):
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise BadSignatureError("* and ** cannot be served; name each input and parameter")
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise BadSignatureError("is passed by name, so it may not stand before /")
            if name not in hints:
                raise BadSignatureError(f"has no type; {_what_there_is()}")
            default = UNSET if parameter.default is parameter.empty else parameter.default
            made = _input_or_parameter(name, hints[name], default)
            if isinstance(made, Input):
                inputs.append(made)
            else:
                parameters.append(made)
    if not inputs:
        raise BadSignatureError(f"{where} takes no input: add a parameter of type {_INPUT_TYPES}")
    if sum(given.streams for given in inputs) > 1:
        raise BadSignatureError(f"{where}: only one input may be an iterator")
    with _Blaming(f"{where}: its result"):
        streams, is_async, result = _kind_of_result(function, hints.get("return"))
        returns, outputs = _outputs(result)
    if any(given.streams for given in inputs):
        if not streams:
            raise BadSignatureError(f"{where} takes an iterator, so it must return one")
        if is_async:  # waiting for input, it would hold up every other call in the event loop
            raise BadSignatureError(f"{where} takes an iterator, so it may not be async")
    input_keys = [given.field.key for given in inputs]
    param_keys = [item.key for item, _ in parameters]
    output_keys = [output.field.key for output in outputs]
    # A request's parameter section has parameters and expected outputs side by side.
    _refuse_repeated(param_keys + output_keys, where)
    _refuse_repeated(input_keys, where)
    fields: list[tuple[str, Field]] = [(item.name, field) for item, field in parameters]
    fields += [(given.name, given.field) for given in inputs]
    return Plan(
        where=where,
        streams=streams,
        is_async=is_async,
        request=type("Request", (), dict(fields)),
        reply=type("Reply", (), {f"output{n}": o.field for n, o in enumerate(outputs)}),
        inputs=tuple(inputs),
        parameters=tuple(item for item, _ in parameters),
        outputs=outputs,
        returns=returns,
    )


class _Blaming:
    """Says where an error in a signature is."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, BadSignatureError):
            raise BadSignatureError(f"{self._where}: {error}") from None


def _hints(annotated: Any, where: str) -> dict[str, Any]:  # noqa: ANN401 - function or class
    try:
        return get_type_hints(annotated, include_extras=True)
    except NameError as error:
        raise BadSignatureError(
            f"{where}: {error.name!r} in its types is not defined above its class"
        ) from None
    except TypeError as error:
        raise BadSignatureError(f"{where}: {error}") from None


def _what_there_is() -> str:
    return f"inputs are {_INPUT_TYPES}, parameters are {_PARAM_TYPES}"


def _shown(annotation: Any) -> str:  # noqa: ANN401
    """Write an annotation as its author may have."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return re.sub(r"\b(?:\w+\.)+", "", str(annotation))


def _taken_apart(hint: Any) -> _Part:  # noqa: ANN401 - an annotation
    """Separate an annotation from its metadata and from None, in whichever order they stand."""
    marker: Param | Body | None = None
    optional = False
    while True:
        if get_origin(hint) is Annotated:
            found = [extra for extra in get_args(hint)[1:] if isinstance(extra, Param | Body)]
            if len(found) > 1 or (found and marker is not None):
                raise BadSignatureError("has more than one Param or Body")
            marker = found[0] if found else marker
            hint = get_args(hint)[0]
        elif get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint):
            others = [part for part in get_args(hint) if part is not type(None)]
            if len(others) > 1:
                raise BadSignatureError("may be of one type only, and None")
            hint, optional = others[0], True
        else:
            return _Part(hint, marker, optional)


def _input_or_parameter(name: str, hint: Any, default: Any) -> Input | tuple[Parameter, Field]:  # noqa: ANN401
    part = _taken_apart(hint)
    if part.optional and default is not None:
        raise BadSignatureError("may be None, so its default must be None")
    annotation, streams = part.annotation, False
    if get_origin(annotation) in _SYNC[:2] and get_args(annotation):
        inner = _taken_apart(get_args(annotation)[0])
        if inner.optional or (inner.marker is not None and part.marker is not None):
            raise BadSignatureError("what an iterator gives is never None; say Body once")
        part = dataclasses.replace(part, marker=part.marker or inner.marker)
        annotation, streams = inner.annotation, True
    if annotation in PAYLOADS:
        if isinstance(part.marker, Param):
            raise BadSignatureError("is an input: say Body, not Param")
        if default is not UNSET and not part.optional:
            raise BadSignatureError("is an input: its only default is None, with `| None`")
        if streams and part.optional:
            raise BadSignatureError("an iterator of inputs has no default")
        body = part.marker or Body()
        return Input(name, annotation, _body_field(annotation, name, body), part.optional, streams)
    if isinstance(part.marker, Body):
        raise BadSignatureError("is a parameter: say Param, not Body")
    param = part.marker or Param()
    kind = None if streams else kind_of(annotation, param)
    if kind is None:
        raise BadSignatureError(f"{_shown(part.annotation)} cannot be served; {_what_there_is()}")
    if default not in (UNSET, None) and (problem := kind.check_default(default)):
        raise BadSignatureError(f"its default {default!r}: {problem}")
    if default is None and not part.optional:
        raise BadSignatureError("its default is None, so its type needs `| None`")
    key = param.key or name
    field = kind.field(key, default)
    return Parameter(name, kind, key, default), field


def _body_field(kind: type[Payload], name: str, body: Body) -> PayloadField:
    key = body.key or name
    if body.path and body.value is not UNSET:
        raise BadSignatureError("Body has a path or a value, not both")
    if kind in (Text, Json):
        if body.path:
            raise BadSignatureError("Body(path=...) is for Image and Audio; text has a value")
        if kind is Json:
            return JsonBodyField(key, {} if body.value is UNSET else body.value)
        value = " " if body.value is UNSET else body.value
        return StringBodyField(key, value, encoding=body.encoding or "utf8")
    if body.value is not UNSET:
        raise BadSignatureError("Body(value=...) is for Text and Json; others have a path")
    if kind is Image:
        return ImageBodyField(key, body.path, encoding=body.encoding or "jpg")
    return AudioBodyField(key, body.path, encoding=body.encoding or "raw")


def _kind_of_result(
    function: Callable[..., object],
    result: Any,  # noqa: ANN401 - an annotation
) -> tuple[bool, bool, Any]:
    """Say whether the method has a stream of results, whether it is async, and what each is."""
    if result is None or result is type(None):
        raise BadSignatureError(f"has no type; results are {_INPUT_TYPES}, or a class of such")
    origin = get_origin(result)
    is_coroutine = inspect.iscoroutinefunction(function)
    if origin in (*_SYNC, *_ASYNC) and get_args(result):
        if is_coroutine:
            raise BadSignatureError("an async method that returns an iterator must yield")
        is_async = origin in _ASYNC
        yields = inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)
        if yields and inspect.isasyncgenfunction(function) is not is_async:
            raise BadSignatureError("is AsyncIterator for async def, Iterator for def")
        return True, is_async, get_args(result)[0]
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise BadSignatureError("yields, so its type is an Iterator, or AsyncIterator")
    return False, is_coroutine, result


def _outputs(hint: Any) -> tuple[type, tuple[Output, ...]]:  # noqa: ANN401
    part = _taken_apart(hint)
    if part.annotation in PAYLOADS and not part.optional:
        return part.annotation, (_output("", DEFAULT_OUTPUT, part),)
    of_class = part.annotation
    is_class = isinstance(of_class, type) and (
        dataclasses.is_dataclass(of_class) or hasattr(of_class, "_fields")
    )
    if part.optional or not is_class or part.marker is not None:
        raise BadSignatureError(
            f"{_shown(hint)} cannot be sent; results are {_INPUT_TYPES},"
            " a NamedTuple or dataclass of such"
        )
    is_dataclass = dataclasses.is_dataclass(of_class)
    names = [f.name for f in dataclasses.fields(of_class)] if is_dataclass else of_class._fields
    hints = _hints(of_class, of_class.__name__)
    made = []
    for name in names:
        with _Blaming(name):
            if name not in hints:
                raise BadSignatureError(f"has no type; outputs are {_INPUT_TYPES}")
            made.append(_output(name, name, _taken_apart(hints[name])))
    if not made:
        raise BadSignatureError(f"{of_class.__name__} has nothing in it")
    return of_class, tuple(made)


def _output(name: str, key: str, part: _Part) -> Output:
    if part.annotation not in PAYLOADS:
        raise BadSignatureError(
            f"{_shown(part.annotation)} cannot be sent; outputs are {_INPUT_TYPES}"
        )
    if isinstance(part.marker, Param):
        raise BadSignatureError("is an output: say Body, not Param")
    body = part.marker or Body()
    if body.path or body.value is not UNSET:
        raise BadSignatureError("an output is not tested with a path or a value")
    field = _body_field(part.annotation, key, body)
    return Output(name, part.annotation, field, body.encoding, part.optional)


def _refuse_repeated(keys: list[str], where: str) -> None:
    for key in keys:
        if keys.count(key) > 1:
            raise BadSignatureError(f"{where}: two things have the key {key!r}")
