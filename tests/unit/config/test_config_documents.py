"""The documentation and the default file against the table of known keys."""

import re
import tomllib
from types import MappingProxyType

import pytest

import gen_config_reference
from aiges_loader.config import default_text
from aiges_loader.config.keys import KEYS, SERVICE, Key, Kind, State
from gen_config_reference import HEADERS, MismatchError, cells, generate, read_rows, with_tables

REFERENCE = gen_config_reference.MEANINGS.read_text("utf-8")
NAMES = {language: path.name for language, path in gen_config_reference.DOCUMENTS.items()}


def test_the_tables_of_the_documents_are_those_that_the_generator_makes() -> None:
    stale = [path.name for path, text in generate().items() if path.read_text("utf-8") != text]
    assert stale == [], "make config-reference"


@pytest.mark.parametrize("name", NAMES.values())
def test_every_known_key_has_one_row_and_no_other_key_has(name: str) -> None:
    section = ""
    documented = []
    for line in (gen_config_reference.ROOT / "docs" / name).read_text("utf-8").splitlines():
        if heading := re.match(r"## (?:`\[([^]]+)\]`)?", line):
            section = heading[1] or ""
        elif section and line.startswith("| `"):
            names = line.split("|")[1]
            documented += [(section, key) for key in re.findall(r"`([^`]+)`", names)]
    assert sorted(documented) == sorted(KEYS)


def test_a_row_says_what_the_program_knows_of_a_key() -> None:
    key = Key("pool", "patience", Kind.NUMBER, 0.25, low=0.1, high=9)
    meanings = '[pool.patience]\nunit = "seconds"\nen = "Longest wait."\nzh = "最长等待。"\n'
    (row,) = read_rows(meanings, {("pool", "patience"): key})["pool"]
    english = ("`patience`", "number, seconds", "`0.25`", "0.1..9", "works", "Longest wait.")
    assert cells(row, "en") == english
    assert cells(row, "zh") == ("`patience`", "数，秒", "`0.25`", "0.1..9", "可用", "最长等待。")


MODE = Key("demo", "mode", Kind.TEXT, None, choices=("a", "b"))
OTHERS = [Key("demo", name, state=State.DEAD) for name in ("old", "older")]
SOME = {(key.section, key.name): key for key in (MODE, *OTHERS)}
MEANT = '[demo.mode]\nen = "M."\nzh = "模。"\n[demo."*"]\nen = "O."\nzh = "旧。"\n'


def test_keys_that_are_left_share_a_row() -> None:
    rows = [cells(row, "en") for row in read_rows(MEANT, SOME)["demo"]]
    assert rows == [
        ("`mode`", "text", "required", "`a`, `b`", "works", "M."),
        ("`old`, `older`", "", "", "", "ignored", "O."),
    ]


@pytest.mark.parametrize(
    ("meanings", "said"),
    [
        ("", r"nothing says what these mean: \[demo\] mode, \[demo\] old, \[demo\] older"),
        (MEANT.replace("zh", "fr"), r"\[demo\] mode: needs en and zh"),
        (MEANT.replace('zh = "模。"', 'zh = "模。"\nunit = "ells"'), "may have a unit"),
        (MEANT.replace("mode", "mood"), r"\[demo\] mood: no key of keys.py is left for this"),
        (f"{MEANT}[demo.old]\nen = 'x'\nzh = 'x'\n", r"\[demo\] old: no key"),
        (MEANT.replace("demo.mode", 'demo."mode, old"'), "these keys are not alike"),
    ],
)
def test_keys_and_meanings_that_do_not_fit_are_refused(meanings: str, said: str) -> None:
    with pytest.raises(MismatchError, match=said):
        read_rows(meanings, SOME)


def test_only_tables_of_keys_are_made_anew() -> None:
    header = HEADERS["en"]
    before = f"# T\n\n| a |\n| b |\n\n## `[demo]`: so\n\nText.\n\n{header}\n| old |\n\nEnd.\n"
    after = with_tables(before, "en", read_rows(MEANT, SOME))
    assert after == before.replace(
        "| old |",
        "| --- | --- | --- | --- | --- | --- |\n"
        "| `mode` | text | required | `a`, `b` | works | M. |\n"
        "| `old`, `older` |  |  |  | ignored | O. |",
    )
    assert with_tables(after, "en", read_rows(MEANT, SOME)) == after


@pytest.mark.parametrize("text", ["## `[demo]`: so\n", f"{HEADERS['en']}\n"])
def test_a_table_that_is_missing_or_nowhere_is_refused(text: str) -> None:
    with pytest.raises(MismatchError):
        with_tables(text, "en", read_rows(MEANT, SOME))


def test_the_default_file_has_every_key_that_works() -> None:
    data = tomllib.loads(default_text())
    data[SERVICE] = data.pop("svcName")
    expected = {
        key
        for key, known in KEYS.items()
        if known.state is State.WORKS and key not in {("fc", "strategy")} and key[0] != "tls"
    }
    given = {(section, name) for section, table in data.items() for name in table}
    assert given - expected == {("wrapper", "common.lic")}
    assert expected - given == set()


def test_every_setting_of_the_default_file_has_a_comment_in_english_and_chinese() -> None:
    comment: list[str] = []
    settings_seen = 0
    for line in default_text().splitlines():
        if line.startswith("#"):
            comment = [line] if settings_seen else [*comment, line]
            settings_seen = 0
        elif " = " in line:
            settings_seen += 1
            assert re.search("[a-z]{2}", comment[0]), line
            assert re.search("[\u4e00-\u9fff]", comment[-1]), line


def plain(default: object) -> object:
    """Return a default as a file would have it."""
    match default:
        case tuple():
            return list(default)
        case MappingProxyType():
            return dict(default)
        case _:
            return default


def test_the_default_file_differs_from_the_defaults_only_where_it_says_so() -> None:
    data = tomllib.loads(default_text())
    data[SERVICE] = data.pop("svcName")
    different = {
        (section, name): value
        for section, table in data.items()
        for name, value in table.items()
        if (section, name) in KEYS and plain(KEYS[section, name].default) not in (value, None)
    }
    assert different == {
        (SERVICE, "host"): "0.0.0.0",
        (SERVICE, "port"): 5090,
        ("wrapper", "http_listen"): "0.0.0.0:1888",
        ("fc", "able"): 1,
        ("log", "file"): "./log/aiges.log",
        ("log", "size"): 3,
        ("log", "count"): 3,
        ("log", "die"): 3,
    }
