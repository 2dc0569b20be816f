"""用 pytest 运行，不需要服务。 / For pytest; needs no server."""

from aiges.dto import DataListCls, DataListNode
from wrapper import NO_PICTURE, Wrapper, size_of


def test_it_answers_its_test_values_as_it_declares() -> None:
    assert Wrapper().run_once()


def test_what_is_no_picture_is_refused() -> None:
    wrapper = Wrapper()
    assert wrapper.wrapperInit({}) == 0
    node = DataListNode()
    node.key, node.data = "img", b"no picture"
    request = DataListCls()
    request.list = [node]
    assert wrapper.wrapperOnceExec({}, request).error_code == NO_PICTURE
    assert wrapper.wrapperError(NO_PICTURE)


def test_only_a_png_has_a_size() -> None:
    assert size_of(b"GIF89a") is None
