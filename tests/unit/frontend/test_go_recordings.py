"""What Go's decoders did with some hundred inputs, and what ours do with the same.

Recorded: `requests` decoded into a struct with the fields header, parameter (map of maps) and
payload (map of maps); `values` decoded into an interface and encoded again; `base64` decoded.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from aiges_loader.errors import BadRequestError
from aiges_loader.frontend import go_base64, json_reader
from aiges_loader.frontend.json_writer import compact
from aiges_loader.frontend.request_body import read_sections

RECORDED = json.loads(
    (Path(__file__).parents[2] / "golden" / "go-decoders.json").read_text(encoding="utf-8")
)


def name_of(recorded: dict[str, Any]) -> str:
    return ascii(recorded["input"][:40])


@pytest.mark.parametrize("recorded", RECORDED["requests"], ids=name_of)
def test_a_request_is_refused_with_the_words_of_go(recorded: dict[str, Any]) -> None:
    body = recorded["input"].encode("latin-1")
    if recorded["error"] is None:
        read_sections(body)
    else:
        with pytest.raises(BadRequestError) as caught:
            read_sections(body)
        assert str(caught.value) == recorded["error"]


@pytest.mark.parametrize("recorded", RECORDED["values"], ids=name_of)
def test_a_value_reads_and_writes_as_in_go(recorded: dict[str, Any]) -> None:
    document = json_reader.read(recorded["input"].encode("latin-1"))
    assert compact(document.value).decode() + "\n" == recorded["encoded"]
    assert not document.out_of_range


@pytest.mark.parametrize("recorded", RECORDED["base64"], ids=name_of)
def test_base64_decodes_or_fails_at_the_byte_as_in_go(recorded: dict[str, Any]) -> None:
    text = recorded["input"].encode("latin-1").decode()
    if "data" in recorded:
        assert go_base64.decode(text) == recorded["data"].encode("latin-1")
    else:
        with pytest.raises(go_base64.Base64Error) as caught:
            go_base64.decode(text)
        assert str(caught.value) == recorded["error"]
