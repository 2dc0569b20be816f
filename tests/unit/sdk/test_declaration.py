# ruff: noqa: N815 - the names that wrappers must use.

from typing import Any

import pytest

from aiges._runtime.declaration import declare
from aiges.sdk import (
    ImageBodyField,
    JsonBodyField,
    StringBodyField,
    StringParamField,
    WrapperBase,
)


class Request:
    ctrl = StringParamField(key="mode")
    picture = ImageBodyField(key="img")
    text = StringBodyField(key="prompt")


class Reply:
    result = StringBodyField(key="result")
    accept_extra = StringParamField(key="extra")
    ignored = StringParamField(key="ignored")


class Wrapper(WrapperBase):
    serviceId = "demo"
    version = "v2"
    requestCls = Request()
    responseCls = Reply()


def test_fields_are_found_by_what_they_are_in_the_order_of_declaration() -> None:
    declaration = declare(Wrapper())
    assert list(declaration.params) == ["mode"]
    assert list(declaration.inputs) == ["img", "prompt"]


def test_an_output_is_a_payload_field_or_anything_called_accept() -> None:
    assert list(declare(Wrapper()).outputs) == ["result", "extra"]


def test_the_class_may_stand_for_its_instance() -> None:
    class Other(WrapperBase):
        requestCls = Request
        responseCls = Reply

    assert declare(Other).inputs == declare(Wrapper).inputs
    assert declare(Other).outputs == declare(Wrapper).outputs


def test_inherited_fields_are_seen_and_may_be_replaced_or_removed() -> None:
    class Narrower(Request):
        picture = ImageBodyField(key="photo")
        text = None
        more = JsonBodyField(key="more")

    class Other(WrapperBase):
        requestCls = Narrower()

    assert list(declare(Other()).inputs) == ["photo", "more"]
    assert list(declare(Other()).params) == ["mode"]


def test_fields_set_on_the_instance_are_seen() -> None:
    class Late:
        def __init__(self) -> None:
            self.text = StringBodyField(key="late")

    class Other(WrapperBase):
        requestCls = Late()

    assert list(declare(Other()).inputs) == ["late"]


def test_a_subclass_of_a_wrapper_keeps_what_its_parent_declares() -> None:
    class Child(Wrapper):
        version = "v3"

    assert (declare(Child()).service_id, declare(Child()).version) == ("demo", "v3")
    assert declare(Child()).inputs == declare(Wrapper()).inputs


def test_nothing_leaks_from_one_wrapper_to_another() -> None:
    class OtherRequest:
        text = StringBodyField(key="other")

    class Other(WrapperBase):
        requestCls = OtherRequest()

    assert list(declare(Other()).inputs) == ["other"]
    assert list(declare(Wrapper()).inputs) == ["img", "prompt"]


class Bare:
    """Not even a WrapperBase."""


@pytest.mark.parametrize("wrapper", [WrapperBase(), WrapperBase, Bare(), Bare, None])
def test_what_is_missing_gets_a_default(wrapper: Any) -> None:
    declaration = declare(wrapper, default_service_id="from the host")
    assert (declaration.service_id, declaration.version) == ("from the host", "v1")
    assert declaration.params == declaration.inputs == declaration.outputs == {}
    assert (declaration.sub, declaration.call, declaration.call_type) == ("ase", "atmos", 0)
    assert declaration.route == "/v1/private/from the host"


def test_the_class_may_set_what_the_gateway_reads() -> None:
    class Other(Wrapper):
        sub = "s"
        call = "c"
        call_type = 1
        route = ["/a", "/b"]  # noqa: RUF012

    declaration = declare(Other())
    assert (declaration.sub, declaration.call, declaration.call_type) == ("s", "c", 1)
    assert declaration.route == ["/a", "/b"]


def test_making_a_wrapper_class_and_a_wrapper_prints_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class Quiet(Wrapper):
        pass

    Quiet()
    assert capfd.readouterr() == ("", "")
