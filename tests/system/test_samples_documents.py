"""What the READMEs of the samples say to type works, and prints what they show."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.chat_endpoint import ChatEndpoint
from support.reader import Running, blocks, environment, run, without_sid
from support.samples import SAMPLES

NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/wrapper.py"))
DOCUMENTS = {"README.md": "textgen", **{f"{name}/README.md": name for name in NAMES}}
"""Each document, and the sample whose folder it goes to. Plugins in C have tests of their own."""

SERVES = "aiges-loader -m 0"
"""How a command ends that goes on until it is stopped; settings may stand before it."""

INSTALLS = "pip install -r "
ENDPOINT = "http://127.0.0.1:8000/v1"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[ChatEndpoint]:
    with ChatEndpoint() as running:
        yield running


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_reader_who_follows_the_readme_of_a_sample_sees_what_it_says(
    document: str, endpoint: ChatEndpoint, tmp_path: Path
) -> None:
    name = DOCUMENTS[document]
    shutil.copytree(
        SAMPLES / name,
        tmp_path / "wrappers" / name,
        ignore=shutil.ignore_patterns("__pycache__", "log"),
    )
    env = environment(tmp_path)
    folder, port, answer, served = tmp_path, 0, "", False
    with ExitStack() as stack:

        def here(text: str) -> str:
            return text.replace(":1888", f":{port}").replace(ENDPOINT, endpoint.base_url)

        for block in blocks((SAMPLES / document).read_text("utf-8")):
            match block.language:
                case "sh":
                    for line in block.text.splitlines():
                        if line.startswith("cd "):
                            folder /= line.removeprefix("cd ")
                        elif line.startswith(INSTALLS):
                            assert (folder / line.removeprefix(INSTALLS)).is_file()
                        elif line.endswith(SERVES):
                            running = Running(here(line), folder, env)
                            port = stack.enter_context(running).ready().ports["http"]
                            served = True
                        else:
                            answer = run(here(line), folder, env)
                            assert errors_in(answer) == [], answer
                case "python":
                    (tmp_path / "program.py").write_text(here(block.text), "utf-8")
                    answer = run(f"python -W error {tmp_path / 'program.py'}", tmp_path, env)
                    assert answer
                case "json":
                    assert without_sid(answer) == without_sid(block.text)
                case "text":
                    assert answer.rstrip("\n") == block.text
                case other:
                    raise AssertionError(f"nobody looks at a block of {other!r}")
    assert served


def errors_in(answer: str) -> list[dict[str, Any]]:
    """Return the JSON messages of an answer, single or as events, that report an error."""
    lines = [line.removeprefix("data: ") for line in answer.splitlines()]
    messages = [json.loads(line) for line in lines if line.startswith('{"header"')]
    return [message for message in messages if message["header"]["code"]]


def test_every_sample_is_in_the_table_and_the_table_has_nothing_else() -> None:
    rows = (SAMPLES / "README.md").read_text("utf-8").splitlines()
    named = [row.split("](")[1].split("/")[0] for row in rows if row.startswith("| [")]
    assert sorted(named) == sorted([*NAMES, "c"])
