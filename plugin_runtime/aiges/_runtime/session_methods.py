"""How one wrapper takes sessions: which of its methods do, and how they want to be called."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aiges._runtime import binding, convert
from aiges.dto import Response

_NOTHING_SPECIAL: Final = {binding.ERROR_NUMBER: 0, binding.INPUTS: None}


@dataclass(frozen=True, slots=True)
class _Method:
    function: Callable[..., object]
    binding: binding.Binding

    def __call__(self, **values: object) -> object:
        given = {_MEANINGS[name]: value for name, value in values.items()}
        return self.binding.call(self.function, {**_NOTHING_SPECIAL, **given})


_MEANINGS: Final = {
    "params": binding.PARAMS,
    "inputs": binding.INPUTS,
    "handle": binding.HANDLE,
    "sid": binding.SID,
    "tag": binding.TAG,
    "personal_id": binding.PERSONAL_ID,
}


@dataclass(frozen=True, slots=True)
class SessionMethods:
    """The methods of a wrapper that takes sessions; either `stream`, or `create` and `write`.

    Attributes:
        create: wrapperCreate(params, sid, persId, usrTag).
        write: wrapperWrite(handle, reqData, sid).
        read: wrapperRead(handle, sid), of wrappers that do not push their results.
        destroy: wrapperDestroy(handle).
        stream: wrapperStream(params, inputs, sid), a generator.
        reads_at_end: wrapperRead is called only once the input is complete.
    """

    create: _Method | None = None
    write: _Method | None = None
    read: _Method | None = None
    destroy: _Method | None = None
    stream: _Method | None = None
    reads_at_end: bool = False


def session_methods(
    wrapper: Any,  # noqa: ANN401 - whatever its author wrote
    defines: Callable[[str], bool],
) -> SessionMethods | None:
    """Look at a wrapper's methods once; None if it takes no sessions.

    Args:
        wrapper: The instance.
        defines: Says whether it has its own method of a name.

    Raises:
        BadSignatureError: A method demands what no host gives.
    """

    def method(name: str, order: tuple[str, ...]) -> _Method | None:
        if not defines(name):
            return None
        function = getattr(wrapper, name)
        return _Method(function, binding.bind(function, order))

    if stream := method("wrapperStream", binding.STREAM_ORDER):
        return SessionMethods(stream=stream)
    create = method("wrapperCreate", binding.CREATE_ORDER)
    if create is None:
        return None
    return SessionMethods(
        create,
        method("wrapperWrite", binding.WRITE_ORDER),
        method("wrapperRead", binding.READ_ORDER),
        method("wrapperDestroy", binding.DESTROY_ORDER),
        reads_at_end=getattr(wrapper, "reads_at_end", False),
    )


def handle_of(returned: object) -> tuple[object, int]:
    """Read what wrapperCreate returns: the wrapper's own handle, and a code that is 0 if all went.

    Wrappers return a SessionCreateResponse, its handle alone, or a number.

    Raises:
        NoAnswerError: It is none of these.
    """
    if returned is None:
        raise convert.NoAnswerError("returned None, expected a SessionCreateResponse")
    if isinstance(returned, int):
        return "", convert.taken(returned)
    if isinstance(returned, str):
        return returned, 0
    if not hasattr(returned, "handle"):
        name = type(returned).__name__
        raise convert.NoAnswerError(f"returned a {name}, expected a SessionCreateResponse")
    code = convert.error_code(returned)
    return returned.handle, code


def has_something(returned: object) -> bool:
    """Say whether what wrapperRead returned is a result; wrappers say in many ways that none is."""
    if not returned:
        return False
    if not isinstance(returned, Response) or returned.error_code:
        return True
    return any(item.key or item.data for item in returned.list)
