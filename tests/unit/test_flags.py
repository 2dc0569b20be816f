"""The command line of AIservice: what each invocation asks for, and what is refused."""

from contextlib import suppress

import pytest
from hypothesis import given, settings, strategies as st

from aiges_loader.flags import (
    FlagError,
    Invocation,
    Serve,
    ShowFlags,
    ShowUsage,
    ShowVersion,
    WriteDefault,
    WriteDemo,
    flags_text,
    is_go_style,
    parse,
    usage_text,
)

PLAIN = Serve(config=None, service="svcName", inline_defaults="")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ShowUsage()),
        ("-h", ShowFlags()),
        ("--help", ShowFlags()),
        ("-m 0 -h", ShowFlags()),
        ("-h -nosuch", ShowFlags()),
        ("-v", ShowVersion()),
        ("--v", ShowVersion()),
        ("-init", WriteDefault()),
        ("-init=true", WriteDefault()),
        ("-init=T", WriteDefault()),
        ("-init=false -m 0", PLAIN),
        ("-mnist", WriteDemo()),
        ("-m 0", PLAIN),
        ("-m=0", PLAIN),
        ("--m 0", PLAIN),
        ("-m 1 -m 0", PLAIN),
        ("-m 0 --", PLAIN),
        ("-m 0 -c= -s=", PLAIN),
        ("-m=0 -c=aiges.toml -s=svcName", Serve("aiges.toml", "svcName", "")),
        ("-m 0 -c my.toml -s other", Serve("my.toml", "other", "")),
        ("-m 0 -dc [fc]", Serve(None, "svcName", "[fc]")),
        ("-m 0 -c -s", Serve("-s", "svcName", "")),
        ("-m 0 -p AIpaas -g hu -u http://127.0.0.1:6868 -plugin c -polaris-prefix /x", PLAIN),
        ("-m 0 -bvtAble 1 -bvtPlatform=http://127.0.0.1:1 -bvtServiceAddress x", PLAIN),
    ],
)
def test_a_command_line_asks_for_one_thing(line: str, expected: Invocation) -> None:
    assert parse(line.split()) == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("-x", "flag provided but not defined: -x"),
        ("-m=0 --workers=3", "flag provided but not defined: -workers"),
        ("-v -x", "flag provided but not defined: -x"),
        ("-m", "flag needs an argument: -m"),
        ("-m 0 -c", "flag needs an argument: -c"),
        ("---m 0", "bad flag syntax: ---m"),
        ("-=0", "bad flag syntax: -=0"),
        ("-init=yes", "invalid boolean value 'yes' for -init"),
        ("-m local", "invalid value 'local' for -m"),
        ("-m 3", "invalid value '3' for -m"),
    ],
)
def test_a_mistyped_flag_is_named_and_the_list_of_flags_is_asked_for(
    line: str, reason: str
) -> None:
    with pytest.raises(FlagError, match=reason) as caught:
        parse(line.split())
    assert caught.value.show_flags


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("-c aiges.toml -s svcName", "-m is missing"),
        ("--", "-m is missing"),
        ("-m -1", "-m is missing"),
        ("-m 1", "-m 1 is not supported"),
        ("-m 2 -c a -s b -p c -g d -u e", "-m 2 is not supported"),
        ("-", "unexpected word '-'"),
        ("-m 0 serve", "unexpected word 'serve'"),
        ("-m 0 serve -x", "unexpected word 'serve'"),
    ],
)
def test_what_cannot_be_run_is_refused_with_what_to_do_instead(line: str, reason: str) -> None:
    with pytest.raises(FlagError, match=reason) as caught:
        parse(line.split())
    assert "-m 0" in str(caught.value)
    assert not caught.value.show_flags


@settings(deadline=None)
@given(name=st.sampled_from(["m", "c", "s", "dc", "p", "bvtTimeout"]), value=st.text())
def test_all_four_spellings_of_a_flag_mean_the_same(name: str, value: str) -> None:
    def outcome(*argv: str) -> Invocation | str:
        try:
            return parse(["-m", "0", *argv])
        except FlagError as error:
            return str(error)

    expected = outcome(f"-{name}", value)
    assert outcome(f"-{name}={value}") == expected
    assert outcome(f"--{name}", value) == expected
    assert outcome(f"--{name}={value}") == expected


@settings(deadline=None)
@given(st.lists(st.text() | st.sampled_from(["-m", "0", "-c", "--", "-init", "-s=x", "-h"])))
def test_no_command_line_makes_the_parser_fail_otherwise(argv: list[str]) -> None:
    with suppress(FlagError):
        parse(argv)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [([], True), (["-m", "0"], True), (["--help"], True), (["check"], False), ([""], False)],
)
def test_words_first_are_left_to_the_sub_commands(argv: list[str], expected: bool) -> None:
    assert is_go_style(argv) is expected


def test_every_listed_flag_is_understood() -> None:
    lines = flags_text("aiges-loader").splitlines()
    assert lines[0] == "Usage of aiges-loader:"
    flags = [line.split() for line in lines if line.startswith("  -")]
    assert len(flags) == 27
    for flag, *takes_value in flags:
        assert parse(["-m", "0", flag, *("0" for _ in takes_value)])


def test_the_usage_speaks_chinese_first() -> None:
    chinese, english = usage_text("aiges-loader").split("\n\n")
    for text in (chinese, english):
        assert "aiges-loader -m=0 -c aiges.toml -s svcName" in text
        assert "-init" in text
    assert "本地配置文件" in chinese
    assert "local configuration file" in english
