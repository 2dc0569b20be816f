"""The types that a typed wrapper's parameters may have: text to value, and what is allowed. Pure.

Hosts hand parameters over as text. A `ValueKind` turns that into what the annotation says, or
says in words what it expects.
"""

import enum
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin

from aiges._runtime.binding import BadSignatureError
from aiges._runtime.fields import (
    BooleanParamField,
    IntegerParamField,
    NumberParamField,
    ParamField,
    StringParamField,
)
from aiges._runtime.payloads import BadValueError

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,300}")
_REAL: Final = re.compile(
    r"[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?"
)
_GO_NUMBER: Final = re.compile(r"(-?[0-9]{1,20})p([+-][0-9]{1,4})")
"""How AIservice writes a JSON number: a whole number times a power of two."""

_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}
_MAX_SHOWN_CHARS: Final = 60


class Unset(enum.Enum):
    """Stands for a value that is not given, where None is one."""

    UNSET = enum.auto()


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, kw_only=True)
class Param:
    """What there is to say of a parameter beside its type: `Annotated[int, Param(minimum=1)]`.

    Attributes:
        key: Its name in requests, if that is another than in the signature.
        description: For the schema.
        title: For the schema.
        minimum: Lowest allowed number.
        maximum: Highest allowed number.
        minLength: Fewest characters of a text.
        maxLength: Most characters of a text; None: any number.
        enums: The only allowed values.
        test: What a local run gives, in place of the default.
    """

    key: str = ""
    description: str = ""
    title: str = ""
    minimum: float | None = None
    maximum: float | None = None
    minLength: int = 0  # noqa: N815 - as the fields spell it
    maxLength: int | None = None  # noqa: N815
    enums: Sequence[Any] = ()
    test: Any = UNSET


@dataclass(frozen=True, slots=True)
class ValueKind:
    """One type of parameter.

    Attributes:
        base: str, int, float or bool: what a text is read as, and what the schema says.
        choices: What may stand in a request -> what the method gets; empty: anything.
        param: Bounds.
    """

    base: type
    choices: Mapping[Any, Any]
    param: Param

    def read(self, text: str) -> Any:  # noqa: ANN401 - of the annotation's type
        """Read a request's text; raise `BadValueError` that says what was expected."""
        value = _READERS[self.base](text)
        if value is None or not self.allows(value):
            raise BadValueError(f"expected {self.expected}, got {_shown(text)}")
        return self.choices[value] if self.choices else value

    def allows(self, value: Any) -> bool:  # noqa: ANN401
        """Say whether a value of `base` is within bounds and among the choices."""
        param = self.param
        if self.choices:
            return value in self.choices
        if self.base is str:
            longest = math.inf if param.maxLength is None else param.maxLength
            return param.minLength <= len(value) <= longest
        if self.base is bool:
            return True
        lowest = -math.inf if param.minimum is None else param.minimum
        highest = math.inf if param.maximum is None else param.maximum
        return bool(lowest <= value <= highest)

    @property
    def expected(self) -> str:
        """Say what is allowed, in words."""
        param = self.param
        if self.choices:
            return f"one of {', '.join(_shown(choice) for choice in self.choices)}"
        if self.base is str:
            least = f" of at least {param.minLength} characters" if param.minLength else ""
            most = "" if param.maxLength is None else f"at most {param.maxLength} characters"
            return f"text{least}{(' and ' if least else ' of ') + most if most else ''}"
        if self.base is bool:
            return "true or false"
        low = "" if param.minimum is None else f" from {param.minimum}"
        high = "" if param.maximum is None else f" to {param.maximum}"
        return f"{_NAMES[self.base]}{low}{high}"

    def field(self, key: str, default: Any) -> ParamField:  # noqa: ANN401
        """Declare the parameter as the schema wants it.

        Args:
            key: Its name in requests.
            default: As in the signature; UNSET if a request must have it.
        """
        param = self.param
        required = default is UNSET
        plain = None if required or default is None else self._as_sent(default)
        low, high, choices = param.minimum, param.maximum, list(self.choices)
        made: ParamField
        if self.base is str:
            longest = param.maxLength
            made = StringParamField(key, param.minLength, longest, choices, value=plain or "")
        elif self.base is bool:
            made = BooleanParamField(key, default=plain)
        elif self.base is int:
            lowest, highest = (None if bound is None else int(bound) for bound in (low, high))
            made = IntegerParamField(key, lowest, highest, choices, value=plain)
        else:
            made = NumberParamField(key, low, high, choices, value=plain)
        made.required = required
        made.description, made.title = param.description, param.title
        made.test_value = self._test_value(plain, required=required)
        return made

    def _test_value(self, default: Any, *, required: bool) -> Any:  # noqa: ANN401
        param = self.param
        if param.test is not UNSET:
            return param.test
        if not required:
            return default
        if self.choices:
            return next(iter(self.choices))
        if self.base is str:
            return "x" * param.minLength
        if self.base is bool:
            return False
        return param.minimum if param.minimum is not None else min(0, param.maximum or 0)

    def _as_sent(self, value: Any) -> Any:  # noqa: ANN401
        """Return how a request says `value`."""
        if not self.choices:
            return value
        return next(
            sent for sent, meant in self.choices.items() if meant is value or meant == value
        )

    def check_default(self, value: Any) -> str:  # noqa: ANN401
        """Say what is wrong with a signature's default, "" if nothing."""
        if self.choices:
            return "" if value in self.choices.values() else f"expected {self.expected}"
        fits = isinstance(value, (int, float) if self.base is float else self.base)
        if not fits or (isinstance(value, bool) and self.base is not bool):
            return f"expected {self.expected}"
        return "" if self.allows(value) else f"expected {self.expected}"


def kind_of(annotation: Any, param: Param) -> ValueKind | None:  # noqa: ANN401
    """Return what an annotation without its metadata stands for; None if it is no parameter's.

    Raises:
        BadSignatureError: `param` does not fit it.
    """
    choices: dict[Any, Any]
    if get_origin(annotation) is Literal:
        choices = {value: value for value in get_args(annotation)}
    elif isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        choices = {member.value: member for member in annotation}
    elif annotation in (str, int, float, bool):
        choices = {value: value for value in param.enums}
        kind = ValueKind(annotation, choices, param)
        _check(kind)
        return kind
    else:
        return None
    if param.enums:
        raise BadSignatureError("enums says again what the type says")
    kind = ValueKind(_base_of(choices), choices, param)
    _check(kind)
    return kind


def text_of(value: object) -> str:
    """Return a parameter as text: hosts give text, a local run the values themselves."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _base_of(choices: Mapping[Any, Any]) -> type:
    bases = {type(value) for value in choices}
    for base in (str, int):
        if bases == {base}:
            return base
    if bases and bases <= {int, float}:
        return float
    raise BadSignatureError("its values must be all text or all numbers")


def _check(kind: ValueKind) -> None:
    param, base = kind.param, kind.base
    is_free = not kind.choices
    types = (int, float) if base is float else (base,)
    if (param.minimum, param.maximum) != (None, None) and not (is_free and base in (int, float)):
        raise BadSignatureError("minimum and maximum are for numbers that may be anything else")
    if (param.minLength, param.maxLength) != (0, None) and not (is_free and base is str):
        raise BadSignatureError("minLength and maxLength are for text that may be anything else")
    if kind.choices and base is bool:
        raise BadSignatureError("enums says nothing of true and false")
    if not all(isinstance(choice, types) for choice in kind.choices):
        raise BadSignatureError(f"enums must be of its type, {base.__name__}")
    if base is int and any(b is not None and b != int(b) for b in (param.minimum, param.maximum)):
        raise BadSignatureError("minimum and maximum of a whole number must be whole")


def _whole(text: str) -> int | None:
    if (number := _go_number(text)) is not None:
        return int(number) if number.is_integer() else None
    return int(text) if _WHOLE.fullmatch(text) else None


def _real(text: str) -> float | None:
    if (number := _go_number(text)) is not None:
        return number
    value = float(text) if _REAL.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


def _go_number(text: str) -> float | None:
    found = _GO_NUMBER.fullmatch(text)
    if found is None:
        return None
    try:
        return math.ldexp(int(found[1]), int(found[2]))
    except OverflowError:
        return None


def _truth(text: str) -> bool | None:
    return _TRUTHS.get(text.lower())


_READERS: Final[Mapping[type, Callable[[str], Any]]] = {
    str: str,
    int: _whole,
    float: _real,
    bool: _truth,
}
_NAMES: Final = {int: "a whole number", float: "a number"}


def _shown(value: object) -> str:
    if isinstance(value, str) and len(value) > _MAX_SHOWN_CHARS:
        value = f"{value[:_MAX_SHOWN_CHARS]}..."
    return json.dumps(value, ensure_ascii=False)
