"""What docs/sdk.md says of the SDK is so."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aiges import sdk, typed
from aiges._runtime.typed_signature import Body
from support.reader import blocks

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = {name: (ROOT / "docs" / name).read_text("utf-8") for name in ("sdk.md", "sdk.zh.md")}
WRAPPERS = [block.text for block in blocks(DOCUMENTS["sdk.md"]) if block.language == "python"]
BOTH = pytest.mark.parametrize("name", DOCUMENTS)


def test_both_languages_show_the_same_programs() -> None:
    assert blocks(DOCUMENTS["sdk.zh.md"]) == blocks(DOCUMENTS["sdk.md"])
    assert len(WRAPPERS) == 2


@pytest.mark.parametrize("number", range(len(WRAPPERS)))
def test_a_wrapper_that_is_shown_passes_its_local_run(number: int, tmp_path: Path) -> None:
    (tmp_path / "wrapper.py").write_text(WRAPPERS[number])
    (tmp_path / "7.png").write_bytes(b"\x89PNG")
    trees = (str(ROOT / "plugin_runtime"), str(ROOT / "proto"))
    done = subprocess.run(
        [sys.executable, "wrapper.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(trees)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "wrapperOnceExec works" in done.stderr


def arguments_of(made: type) -> str:
    """Write the arguments of a class as the document does."""
    shown = []
    for parameter in inspect.signature(made).parameters.values():
        is_bare = parameter.default is parameter.empty
        default = str(parameter.default) if isinstance(parameter.default, tuple) else ""
        quoted = repr(parameter.default).replace("'", '"')
        shown.append(parameter.name if is_bare else f"{parameter.name}={default or quoted}")
    return ", ".join(shown)


@BOTH
def test_the_fields_and_their_arguments_are_those_of_the_program(name: str) -> None:
    rows = re.findall(r"^\| `(\w+Field)` \| `(.*?)` \|", DOCUMENTS[name], re.MULTILINE)
    fields = {field for field in sdk.__all__ if field.endswith("Field")}
    bases = {"Field", "ParamField", "PayloadField"}
    assert {field for field, _ in rows} == fields - bases
    assert dict(rows) == {field: arguments_of(getattr(sdk, field)) for field, _ in rows}


@BOTH
def test_the_methods_are_those_of_the_base_class(name: str) -> None:
    rows = re.findall(r"^\| `(wrapper\w+)\((.*?)\)` \|", DOCUMENTS[name], re.MULTILINE)
    methods = {method for method in vars(sdk.WrapperBase) if method.startswith("wrapper")}
    assert {method for method, _ in rows} == methods
    assert len(rows) == len(methods)


@BOTH
def test_the_words_of_param_and_body_are_those_of_the_program(name: str) -> None:
    (row,) = re.findall(r"Param\(\.\.\.\)\]` \| .*?`(key, .*?)` \|", DOCUMENTS[name])
    assert row.split(", ") == list(inspect.signature(typed.Param).parameters)
    body = re.findall(r"Body\(\.\.\.\)\]` \| (.*?) \|$", DOCUMENTS[name], re.MULTILINE)[0]
    named = [word for part in re.findall(r"`(.*?)`", body) for word in part.split(", ")]
    assert named == list(inspect.signature(Body).parameters)


@BOTH
def test_every_test_that_is_named_exists(name: str) -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", DOCUMENTS[name]))
    assert len(named) > 15
    assert named <= {path.name for path in (ROOT / "tests").rglob("test_*.py")}
