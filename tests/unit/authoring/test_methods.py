"""What a wrapper's source tells of how it is called."""

import pytest

from aiges.authoring.methods import only_streams

BASE = "class Base(WrapperBase):\n    def wrapperStream(self, params, inputs): ...\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class Wrapper:\n    def wrapperStream(self): ...", True),
        ("class Wrapper:\n    def wrapperCreate(self): ...", True),
        ("class Wrapper:\n    def wrapperOnceExec(self): ...", False),
        (
            "class Wrapper:\n    def wrapperStream(self): ...\n    def wrapperBatchExec(self): ...",
            False,
        ),
        (f"{BASE}class Wrapper(Base): ...", True),
        (f"{BASE}class Wrapper(Base):\n    def wrapperOnceExec(self): ...", False),
        ("class Wrapper(Wrapper):\n    def wrapperStream(self): ...", True),
        ("class Wrapper(T):\n    def infer(self) -> Iterator[Text]: ...", True),
        ("class Wrapper(T):\n    async def infer(self) -> abc.AsyncIterator[Text]: ...", True),
        ("class Wrapper(T):\n    def infer(self) -> Text: ...", False),
        ("class Wrapper(T):\n    def infer(self) -> list[Text]: ...", False),
        ("class Wrapper(T):\n    def infer(self): ...", False),
        ("from other import Wrapper", False),
        ("class Wrapper: (", False),
        ("", False),
    ],
)
def test_only_a_wrapper_without_single_calls_only_streams(source: str, expected: bool) -> None:
    assert only_streams(source) is expected
