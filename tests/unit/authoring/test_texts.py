"""What the commands say: in both languages, and in which one."""

import ast
import string
from pathlib import Path

import pytest

import aiges.authoring
from aiges.authoring.texts import TEXTS, language

SOURCES = Path(aiges.authoring.__file__).parent


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_text_is_there_in_both_languages_with_the_same_placeholders(name: str) -> None:
    text = TEXTS[name]
    assert text.en.strip()
    assert text.zh.strip()
    assert placeholders(text.en) == placeholders(text.zh)
    assert text.en.isascii()


def test_every_text_that_is_said_is_there_and_none_is_idle() -> None:
    said = set()
    for path in SOURCES.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            # As an argument of `say`, or where it is chosen among others for it.
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                said |= {node.value} & set(TEXTS) if path.name != "texts.py" else set()
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say":
                for argument in node.args:
                    if isinstance(argument, ast.Constant):
                        assert argument.value in TEXTS, f"{path.name}:{node.lineno}"
    assert set(TEXTS) - said == set()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_TW"}, "zh"),
        ({"LC_ALL": "en_US", "LC_MESSAGES": "zh_TW", "LANG": "zh_CN"}, "en"),
        ({"LC_ALL": "", "LANG": "zh_CN"}, "zh"),
        ({"LANG": "de_DE", "LANGUAGE": "de:zh:en"}, "zh"),
        ({"LANG": "zh_CN", "LANGUAGE": "en"}, "en"),
        ({"LANG": "C", "LANGUAGE": "zh"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "en_US", "AIGES_LANG": "zh"}, "zh"),
        ({"LC_ALL": "zh_CN", "AIGES_LANG": "en"}, "en"),
        ({"LANG": "zh_CN", "AIGES_LANG": "fr"}, "zh"),
    ],
)
def test_the_language_is_that_of_the_locale_unless_it_is_said(
    environ: dict[str, str], expected: str
) -> None:
    assert language(environ) == expected
