"""Which argument a wrapper's method gets where: every variant that was seen in published ones."""

from collections.abc import Callable

import pytest

from aiges._runtime.binding import (
    INPUTS,
    ONCE_ORDER,
    PARAMS,
    PERSONAL_ID,
    SID,
    TAG,
    BadSignatureError,
    bind,
)

VALUES: dict[str, object] = {PARAMS: "P", INPUTS: "I", TAG: "T", SID: "S", PERSONAL_ID: 0}


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (lambda params, reqData: (params, reqData), ("P", "I")),
        (lambda params, reqData, persId=9: (params, reqData, persId), ("P", "I", 0)),
        (
            lambda params, reqData, usrTag="", persId=9: (params, reqData, usrTag, persId),
            (*tuple("PIT"), 0),
        ),
        (
            lambda params, reqData, usrTag="", psrID=9: (params, reqData, usrTag, psrID),
            (*tuple("PIT"), 0),
        ),
        (lambda params, reqData, usrTag="9527", persId=9: (usrTag, persId), ("T", 0)),
        (
            lambda params, reqData, sid, persId=0: (params, reqData, sid, persId),
            (*tuple("PIS"), 0),
        ),
        (lambda params, req: (params, req), ("P", "I")),
        (lambda a, b: (a, b), ("P", "I")),
        (lambda a, b, c, d: (a, b, c, d), ("P", "I", "T", 0)),
        (lambda params, reqData, extra="kept": (params, reqData, extra), ("P", "I", "kept")),
        (lambda params, reqData, extra="kept", usrTag="": (extra, usrTag), ("kept", "T")),
        (lambda *args: args, ("P", "I", "T", 0)),
        (lambda *args, **kwargs: (args, kwargs), (("P", "I", "T", 0), {})),
        (lambda reqData, params: (reqData, params), ("I", "P")),
        (lambda params, reqData, *, usrTag: (params, reqData, usrTag), ("P", "I", "T")),
        (lambda params, /, reqData: (params, reqData), ("P", "I")),
        (lambda params, reqData, **kwargs: (params, reqData, kwargs), ("P", "I", {})),
    ],
)
def test_names_decide(method: Callable[..., object], expected: tuple[object, ...]) -> None:
    assert bind(method, ONCE_ORDER).call(method, VALUES) == expected


def test_a_parameter_that_no_host_gives_is_named() -> None:
    def method(
        params: object, reqData: object, usrTag: object, persId: object, fifth: object
    ) -> None:
        raise AssertionError

    with pytest.raises(BadSignatureError, match="no host gives a parameter 'fifth'"):
        bind(method, ONCE_ORDER)


def test_a_method_written_in_c_gets_the_old_order() -> None:
    assert bind(print, ONCE_ORDER).positional == ONCE_ORDER
