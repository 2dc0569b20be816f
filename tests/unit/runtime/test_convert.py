"""What wrappers return, read without I/O."""

from aiges._runtime import convert
from aiges.dto import Response, ResponseData


class Number(int):
    """An int of a class of its own, as IntEnum makes them, that minds being looked for."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError(f"compared with {other!r}, as if with every number of a range")

    def __hash__(self) -> int:
        return int(self)


def test_numbers_of_a_class_of_their_own_are_read_at_once() -> None:
    assert convert.error_code(Response().response_err(Number(114))) == 114
    assert convert.taken(Number(114)) == 114
    assert convert.status_of(Number(3)) == 3
    item = ResponseData(key="result", type=Number(2), status=Number(1))
    (output,) = convert.answer(Response([item])).outputs
    assert (output.type, output.status) == (2, 1)
