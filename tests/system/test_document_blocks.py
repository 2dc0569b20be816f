"""Every fenced block of the documents is carried out, or says why it is not."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.reader import Block, Reader, blocks
from support.service import ROOT

DOCUMENTS = sorted(
    [
        *(path for path in (ROOT / "docs").glob("*.md") if not path.name.endswith(".zh.md")),
        *(ROOT / "wrappers").rglob("README.md"),
        ROOT / "CONTRIBUTING.md",
    ]
)
"""But the README, which has a test of its own, and Chinese, in which the same blocks stand."""

SAMPLES = "tests/system/test_samples_documents.py"
CARRIED_OUT_BY: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "docs/authors.md": ("tests/system/test_authors_document.py", {"sh": 9, "text": 4}),
    "docs/c-plugins.md": (
        "tests/system/test_c_document.py",
        {"sh": 2, "c": 1, "cpp": 1, "python": 1, "text": 1},
    ),
    "docs/client.md": ("tests/system/test_client_document.py", {"python": 7, "text": 6}),
    "docs/data-channel.md": ("tests/unit/wire/test_data_channel_document.py", {"hex": 2}),
    "docs/sessions.md": (
        "tests/system/test_sessions_document.py",
        {"python": 5, "sh": 1, "text": 2},
    ),
    "docs/sdk.md": ("tests/unit/sdk/test_sdk_document.py", {"python": 2}),
    "docs/xsf.md": ("tests/system/test_xsf.py", {"python": 1, "": 1, "sh": 1}),
    "wrappers/c/async/README.md": ("tests/system/test_c_samples.py", {"sh": 1}),
    "wrappers/c/upper/README.md": ("tests/system/test_c_samples.py", {"sh": 1}),
    "wrappers/c/vad/README.md": ("tests/system/test_c_samples.py", {"sh": 1, "json": 1}),
    "wrappers/README.md": (SAMPLES, {"sh": 2, "python": 1}),
    "wrappers/chat/README.md": (SAMPLES, {"sh": 2, "python": 1}),
    "wrappers/digits/README.md": (SAMPLES, {"sh": 1, "python": 1, "text": 1}),
    "wrappers/echo/README.md": (SAMPLES, {"sh": 1}),
    "wrappers/matmul/README.md": (SAMPLES, {"sh": 1, "python": 1, "text": 1}),
    "wrappers/speech/README.md": (SAMPLES, {"sh": 2, "python": 1, "text": 1}),
    "wrappers/stream/README.md": (SAMPLES, {"sh": 1}),
    "wrappers/textgen/README.md": (SAMPLES, {"sh": 2, "python": 1, "text": 1}),
    "wrappers/typed/README.md": (SAMPLES, {"sh": 1}),
}
"""Documents that have a test of their own, and how many blocks of each language it carries out."""

PICTURES: Mapping[str, int] = {"docs/architecture.md": 3, "docs/configuration.md": 1}
"""How many blocks without a language a document has: drawings, and messages as an example."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def shown(name: str) -> list[Block]:
    return blocks((ROOT / name).read_text("utf-8"))


NAMES = [name_of(path) for path in DOCUMENTS]
READ = [name for name in NAMES if name not in CARRIED_OUT_BY and shown(name)]


@pytest.mark.parametrize("name", READ)
def test_a_reader_who_does_what_a_document_says_sees_what_it_shows(
    name: str, tmp_path: Path
) -> None:
    with Reader(tmp_path) as reader:
        pictures = 0
        for block in shown(name):
            if block.language or block.verb:
                reader.do(block)
            else:
                pictures += 1
    assert pictures == PICTURES.get(name, 0)


@pytest.mark.parametrize("name", CARRIED_OUT_BY)
def test_a_document_with_a_test_of_its_own_has_no_block_that_it_does_not_know(name: str) -> None:
    test, known = CARRIED_OUT_BY[name]
    assert Counter(block.language for block in shown(name)) == known
    assert (ROOT / test).is_file()


@pytest.mark.parametrize("name", [name for name in READ if name.startswith("docs/")])
def test_both_languages_of_a_document_have_the_same_blocks(name: str) -> None:
    assert shown(name.replace(".md", ".zh.md")) == shown(name)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/")])
def test_both_languages_of_a_document_have_the_same_headings(name: str) -> None:
    chinese = levels((ROOT / name.replace(".md", ".zh.md")).read_text("utf-8"))
    assert chinese == levels((ROOT / name).read_text("utf-8"))


def levels(markdown: str) -> list[int]:
    """Return the level of each heading, in order."""
    prose = re.sub(r"^```.*?^```$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return [len(hashes) for hashes in re.findall(r"^(#+) ", prose, re.MULTILINE)]


@pytest.mark.parametrize(
    "markdown",
    [
        "```ruby\nputs 1\n```\n",
        "```sh\nfalse\n```\n",
        "<!-- not run: -->\n\n```sh\ntrue\n```\n",
        "```sh\necho one\n```\n\n```text\ntwo\n```\n",
        "```toml\n[pool]\nworker = 2\n```\n",
    ],
    ids=["unknown", "fails", "no reason", "another answer", "misspelt key"],
)
def test_a_block_that_is_not_as_it_says_is_found(markdown: str, tmp_path: Path) -> None:
    with Reader(tmp_path) as reader, pytest.raises(AssertionError):
        for block in blocks(markdown):
            reader.do(block)
