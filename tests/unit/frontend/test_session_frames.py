"""What a session's client gets, as JSON; and how sessions are named."""

import json
import re

import pytest
from hypothesis import given, strategies as st

from aiges_loader.calls import Datum
from aiges_loader.errors import BadOutputError, CallError, SessionTimeoutError
from aiges_loader.frontend import codec
from aiges_loader.frontend.codec import Expectation
from aiges_loader.frontend.session_frames import ResultWriter, error_frame
from aiges_loader.frontend.session_ids import SessionIds
from aiges_loader.sessions.session import Result
from aiges_wire.codes import DataType

KINDS = {"r": {"seq": "integer", "status": "integer", "score": "number", "ok": "bool"}}


def writer(**attributes: str) -> ResultWriter:
    return ResultWriter("s", {"r": Expectation(DataType.TEXT, attributes)}, KINDS)


def result(data: bytes, status: int = 1, **desc: str) -> Result:
    return Result((Datum("r", data, 0, status, desc),), is_last=False)


def test_results_are_counted_and_their_attributes_have_the_declared_kinds() -> None:
    made = writer(encoding="utf8")
    first = json.loads(made.result(result(b"a", 0, score="0.5", ok="true", encoding="gbk")))
    assert first["header"] == {"code": 0, "message": "success", "sid": "s", "status": 0}
    assert first["payload"]["r"] == {
        "seq": 1,
        "status": 0,
        "score": 0.5,
        "ok": True,
        "encoding": "utf8",
        "text": "YQ==",
    }
    second = json.loads(made.result(result(b"b", score="high")))
    assert (second["payload"]["r"]["seq"], second["payload"]["r"]["score"]) == (2, "high")


@pytest.mark.parametrize(
    ("data", "shown"), [(b'{"a": [1]}', {"a": [1]}), (b"no json", "bm8ganNvbg==")]
)
def test_json_is_embedded_where_it_is_some(data: bytes, shown: object) -> None:
    assert json.loads(writer(format="json").result(result(data)))["payload"]["r"]["text"] == shown


@pytest.mark.parametrize("output", [Datum("x", b"", 0, 1), Datum("r", b"", 2, 1)])
def test_what_is_not_expected_is_an_error(output: Datum) -> None:
    with pytest.raises(BadOutputError):
        writer().result(Result((output,), is_last=False))


def test_an_error_is_a_header() -> None:
    header = {"code": 10114, "message": "session timeout", "sid": "s", "status": 0}
    assert json.loads(error_frame(SessionTimeoutError(), "s")) == {"header": header}


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_message_is_a_frame_or_a_call_error(message: bytes) -> None:
    try:
        frame = codec.decode_frame(message, declared_inputs=("a",))
    except CallError:
        return
    assert all(isinstance(value, str) for value in frame.params.values())


def test_names_say_who_when_and_where() -> None:
    ids = SessionIds(0x1234, "10.1.171.205", 5090)
    assert ids.next("ase", 0x18F) == "ase00340001@local0000000018fabcd502"
    assert ids.next("", 0).startswith("src00340002@")
    name = SessionIds(1, "::1", 0).next("ase", 1_700_000_000_000)
    assert re.fullmatch(r"ase[0-9a-f]{8}@local[0-9a-f]{15}[0-9]{2}2", name)
