"""The linked lists of the C ABI."""

import pytest

from aiges._runtime.convert import NoAnswerError
from aiges._runtime.library.abi import CData, ffi
from aiges._runtime.library.lists import (
    MAX_ATTRIBUTES,
    inputs_list,
    params_list,
    read_outputs,
)
from aiges._runtime.library.tags import KEPT, Tags
from aiges.dto import DataListNode
from aiges_wire.frames import MAX_ITEMS


def node_of(key: str, data: bytes, **more: object) -> DataListNode:
    node = DataListNode()
    node.key, node.data, node.len = key, data, len(data)
    for name, value in more.items():
        setattr(node, name, value)
    return node


def pairs_at(first: CData) -> list[tuple[bytes, bytes, int]]:
    found = []
    first = first + 0  # of an array, as C has it
    while first != ffi.NULL:
        found.append((ffi.string(first.key), ffi.string(first.value), first.vlen))
        first = first.next
    return found


def outputs_at(*given: tuple[CData, CData, int]) -> tuple[CData, list[object]]:
    nodes = ffi.new("data[]", len(given))
    for number, (key, data, length) in enumerate(given):
        nodes[number].key, nodes[number].data, nodes[number].len = key, data, length
        if number:
            nodes[number - 1].next = nodes + number
    return nodes + 0, [nodes, *given]


def test_parameters_are_c_strings_with_their_length() -> None:
    made = params_list({"a": "1", "": "", "名": "值\0x"})
    assert pairs_at(made.first) == [
        (b"a", b"1", 1),
        (b"", b"", 0),
        ("名".encode(), "值".encode(), len("值\0x".encode())),
    ]
    assert ffi.unpack(made.first[2].value, made.first[2].vlen) == "值\0x".encode()


def test_a_list_without_parameters_is_one_node_with_nothing_in_it() -> None:
    node = params_list({}).first[0]
    assert (node.key, node.value, node.vlen, node.next) == (ffi.NULL, ffi.NULL, 0, ffi.NULL)


def test_inputs_keep_their_order_and_are_not_copied() -> None:
    picture = bytes(range(256))
    made = inputs_list(
        [node_of("img", picture, type=2, status=3), node_of("text", b"", desc={"encoding": "utf8"})]
    )
    first, second = made.first[0], made.first[1]
    assert ffi.string(first.key) == b"img"
    assert (first.len, first.type, first.status) == (256, 2, 3)
    assert first.data == ffi.cast("void *", ffi.from_buffer(picture))
    assert first.next == made.first + 1
    assert (second.len, second.next) == (0, ffi.NULL)
    assert second.data != ffi.NULL
    assert pairs_at(second.desc) == [(b"encoding", b"utf8", 4), (b"status", b"3", 1)]


def test_a_plugin_that_changes_its_input_changes_no_bytes_that_python_shares() -> None:
    shared = b"a"
    made = inputs_list([node_of("text", shared)])
    ffi.cast("char *", made.first[0].data)[0] = b"Z"
    assert shared == bytes((97,))


def test_outputs_are_copied_with_what_stands_beside_them() -> None:
    desc = params_list({"seq": "7", "note": "a\0b"})
    key, text = ffi.new("char[]", b"result"), ffi.new("char[]", b"HELLO")
    first, _kept = outputs_at((key, text, 5))
    first[0].type, first[0].status, first[0].desc = 1, 2, desc.first
    [output] = read_outputs(first)
    text[0] = b"J"
    assert (output.key, output.data, output.type, output.status) == ("result", b"HELLO", 1, 2)
    assert output.desc == {"seq": "7", "note": "a\0b"}
    [output] = read_outputs(first, values_end_at_nul=True)
    assert output.desc == {"seq": "7", "note": "a"}


def test_no_list_and_the_empty_list_hold_no_outputs() -> None:
    empty, _kept = outputs_at((ffi.NULL, ffi.NULL, 0))
    assert read_outputs(ffi.NULL) == read_outputs(empty) == []


def test_a_key_that_is_no_utf8_is_mended() -> None:
    key = ffi.new("char[]", b"re\xffsult")
    first, _kept = outputs_at((key, ffi.NULL, 0))
    assert read_outputs(first)[0].key == "re\ufffdsult"


def test_data_that_is_not_there_and_lists_without_end_are_no_answers() -> None:
    key = ffi.new("char[]", b"result")
    missing, _kept = outputs_at((key, ffi.NULL, 4))
    with pytest.raises(NoAnswerError, match=r"no data for 'result', but length 4"):
        read_outputs(missing)
    ring, _kept = outputs_at((key, ffi.NULL, 0))
    ring[0].next = ring
    with pytest.raises(NoAnswerError, match=f"more than {MAX_ITEMS} outputs"):
        read_outputs(ring)
    desc = params_list({"a": "1"})
    desc.first[0].next = desc.first
    single, _kept = outputs_at((key, ffi.NULL, 0))
    single[0].desc = desc.first
    with pytest.raises(NoAnswerError, match=f"more than {MAX_ATTRIBUTES} attributes"):
        read_outputs(single)


def test_a_call_takes_one_result_and_a_session_many() -> None:
    tags = Tags()
    assert ffi.string(tags.take("call", for_one_result=True)) == b"call"
    tags.take("session", for_one_result=False)
    assert [tags.admit("call"), tags.admit("call")] == [True, False]
    assert [tags.admit("session"), tags.admit("session")] == [True, True]
    assert tags.release("session")
    assert not tags.admit("session")
    assert not tags.admit("never heard of")


def test_a_name_can_be_read_long_after_its_call() -> None:
    tags = Tags()
    pointer = tags.take("first", for_one_result=True)
    address = int(ffi.cast("uintptr_t", pointer))
    del pointer
    tags.release("first")
    for number in range(1000):
        tags.take(f"call {number}", for_one_result=True)
        tags.release(f"call {number}")
    assert KEPT > 1000
    assert ffi.string(ffi.cast("char *", address)) == b"first"
