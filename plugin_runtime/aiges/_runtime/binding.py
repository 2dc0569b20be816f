"""Which argument a wrapper's method wants where. Pure.

Wrappers were written against several hosts, each with its own argument order, so a method's
parameter *names* decide what it gets.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PARAMS: Final = "params"
INPUTS: Final = "inputs"
TAG: Final = "tag"
SID: Final = "sid"
PERSONAL_ID: Final = "personal id"
HANDLE: Final = "handle"
ERROR_NUMBER: Final = "error number"

ONCE_ORDER: Final = (PARAMS, INPUTS, TAG, PERSONAL_ID)
"""The positional order of the oldest host, for parameters whose names say nothing."""

CREATE_ORDER: Final = (PARAMS, SID, PERSONAL_ID, TAG)
WRITE_ORDER: Final = (HANDLE, INPUTS, SID)
READ_ORDER: Final = (HANDLE, SID)
DESTROY_ORDER: Final = (HANDLE,)
STREAM_ORDER: Final = (PARAMS, INPUTS, SID)
"""The same for the methods of a session; the last one's is ours."""

_MEANING: Final[Mapping[str, str]] = {
    "params": PARAMS,
    "reqData": INPUTS,
    "req": INPUTS,
    "datas": INPUTS,
    "usrTag": TAG,
    "userTag": TAG,
    "user_tag": TAG,
    "tag": TAG,
    "sid": SID,
    "persId": PERSONAL_ID,
    "psrID": PERSONAL_ID,
    "psrId": PERSONAL_ID,
    "handle": HANDLE,
    "inputs": INPUTS,
    "errNum": ERROR_NUMBER,
}


class BadSignatureError(TypeError):
    """A method demands a parameter that no host ever gave."""


@dataclass(frozen=True, slots=True)
class Binding:
    """How to call one method: a meaning for each positional and each keyword argument."""

    positional: tuple[str, ...]
    keyword: tuple[tuple[str, str], ...]

    def call(self, method: Callable[..., object], values: Mapping[str, object]) -> object:
        """Call `method` with the values of its meanings."""
        positional = [values[meaning] for meaning in self.positional]
        return method(*positional, **{name: values[meaning] for name, meaning in self.keyword})


def bind(method: Callable[..., object], order: Sequence[str]) -> Binding:
    """Look at a bound method once and decide what each of its parameters gets.

    Args:
        method: Bound, so without `self`.
        order: The oldest host's positional order for this method.

    Returns:
        A parameter with a known name gets what the name says; an unknown name is left to its
        default, or, having none, gets what stands at its position in `order`. A method with
        `*args` gets `order`.

    Raises:
        BadSignatureError: A parameter without default beyond `order`.
    """
    try:
        parameters = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):  # written in C: nothing to look at
        return Binding(tuple(order), ())
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return Binding(tuple(order), ())
    positional: list[str] = []
    keyword: list[tuple[str, str]] = []
    for index, parameter in enumerate(parameters):
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        meaning = _MEANING.get(parameter.name)
        if meaning is None and parameter.default is not parameter.empty:
            continue
        if meaning is None and index >= len(order):
            raise BadSignatureError(
                f"{method.__name__}: no host gives a parameter {parameter.name!r}; add a default"
            )
        meaning = meaning or order[index]
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(meaning)
        else:
            keyword.append((parameter.name, meaning))
    return Binding(tuple(positional), tuple(keyword))
