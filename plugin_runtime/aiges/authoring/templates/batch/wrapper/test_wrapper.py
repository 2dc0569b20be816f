"""用 pytest 运行，不需要服务。 / For pytest; needs no server."""

from pathlib import Path

from aiges.dto import DataListCls, DataListNode
from wrapper import NO_PICTURE, Wrapper

PICTURE = Path(__file__).resolve().parent / "test_data" / "test.png"


def request(data: bytes) -> tuple[dict[str, str], DataListCls]:
    node = DataListNode()
    node.key, node.data = "img", data
    inputs = DataListCls()
    inputs.list = [node]
    return {}, inputs


def test_it_answers_its_test_values_as_it_declares() -> None:
    assert Wrapper().run_once()


def test_an_error_is_that_of_one_request_only() -> None:
    batch = [request(PICTURE.read_bytes()), request(b"no picture")]
    answers = Wrapper().wrapperBatchExec(batch)
    assert [answer.error_code for answer in answers] == [0, NO_PICTURE]
