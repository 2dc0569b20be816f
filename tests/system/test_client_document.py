"""What docs/client.md shows works as it says, and its table of errors is that of the program."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import aiges.client
from aiges.client import ClientError, ServiceError
from aiges.client.errors import service_error
from support.reader import blocks
from support.service import LIMIT_S, ROOT, SOURCES, Service

ENGLISH = (ROOT / "docs" / "client.md").read_text("utf-8")
CHINESE = (ROOT / "docs" / "client.zh.md").read_text("utf-8")
WRAPPER, *SHOWN = blocks(ENGLISH)
PROGRAMS = [block.text for block in SHOWN if block.language == "python"]
OUTPUTS = [block.text for block in SHOWN if block.language == "text"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("document")
    (folder / "wrapper.py").write_text(WRAPPER.text)
    with Service(folder).ready() as service:
        yield service


def test_both_languages_show_the_same() -> None:
    assert blocks(CHINESE) == blocks(ENGLISH)
    assert len(PROGRAMS) == len(OUTPUTS) == 6


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_prints_what_is_shown(number: int, served: Service, tmp_path: Path) -> None:
    program = PROGRAMS[number].replace(":1888", f":{served.http_port}")
    program = program.replace(":5090", f":{served.grpc_port}")
    assert program != PROGRAMS[number]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "PYTHONPATH": SOURCES},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.rstrip("\n") == OUTPUTS[number]


def rows(document: str) -> list[tuple[str, list[int], bool, bool]]:
    """Return class, codes, whether to try again and whether it may have run, of each row."""
    found = re.findall(r"^\| `(\w+Error)`[^|]* \|([^|]*)\| (\S+) \| (\S+) \|$", document, re.M)
    return [
        (name, [int(n) for n in re.findall(r"\d{5}", codes)], again in "yes 是", ran in "yes 是")
        for name, codes, again, ran in found
    ]


@pytest.mark.parametrize("document", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_the_table_of_errors_is_that_of_the_program(document: str) -> None:
    named = {name for name in aiges.client.__all__ if name.endswith("Error")}
    assert {name for name, *_ in rows(document)} == named - {"ClientError", "ServiceError"}
    for name, codes, again, ran in rows(document):
        kind = getattr(aiges.client, name)
        assert issubclass(kind, ClientError)
        assert (kind.can_retry, kind.may_have_run) == (again, ran), name
        assert all(type(service_error(code, "", "")) is kind for code in codes)
        assert bool(codes) == issubclass(kind, ServiceError)
