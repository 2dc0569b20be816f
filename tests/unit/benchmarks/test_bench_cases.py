"""Every case knows the right answer and refuses others."""

import json

import pytest

from benchmarks.cases import CASES, Case
from benchmarks.contenders import SERVICES
from benchmarks.services.exchange import answer_of, data_of
from benchmarks.services.work import WORKS

ALL = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def answer(text: str) -> bytes:
    return json.dumps(answer_of(text)).encode()


@ALL
def test_the_work_on_what_is_sent_gives_what_is_expected(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SERVICES))  # as where the works run
    done = WORKS[case.work](data_of(json.loads(case.payload.body())))
    assert case.fault_of(200, answer(done)) is None


@ALL
def test_wrong_answers_are_refused(case: Case) -> None:
    right = answer(case.expected)
    code_1 = right.replace(b'"code": 0', b'"code": 1')
    assert code_1 != right
    assert "status 503" in (case.fault_of(503, right) or "")
    assert "code 1" in (case.fault_of(200, code_1) or "")
    assert "text 'x'" in (case.fault_of(200, answer("x")) or "")
    for other in (b"", b"[]", b"{}", b'{"header": {"code": 0}, "payload": null}'):
        assert "not the expected JSON" in (case.fault_of(200, other) or "")


def test_the_large_body_is_ten_megabytes() -> None:
    (large,) = (case for case in CASES if case.name == "large-2")
    assert 10_000_000 < len(large.payload.body()) < 10_001_000
