"""The command line of AIservice, read as Go's flag package reads it. Prints nothing.

`-x v`, `-x=v`, `--x v` and `--x=v` are the same; a switch takes a value only behind `=`. The last
of repeated flags counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

DEFAULT_SERVICE: Final = "svcName"

_VALUES: Final[Mapping[str, str]] = {
    "m": "where the configuration is: 0 = a local file (the only one supported)",
    "c": "main configuration file (default aiges.toml, written if it is missing)",
    "s": f"name of the service and of its section in the file (default {DEFAULT_SERVICE})",
    "dc": "TOML text with values for keys that the file does not have",
    "p": "project, for the configuration centre (no effect)",
    "g": "group, for the configuration centre (no effect)",
    "u": "URL of the configuration centre's companion (no effect)",
    "plugin": "no effect, as in AIservice; set AIGES_PLUGIN_MODE instead",
    "polaris-prefix": "prefix in ZooKeeper (no effect)",
    "bvtAble": "verification at start (no effect, like all -bvt flags)",
    "bvtAsync": "no effect",
    "bvtCb": "no effect",
    "bvtCfgFile": "no effect",
    "bvtCompanionUrl": "no effect",
    "bvtEngIp": "no effect",
    "bvtGroup": "no effect",
    "bvtId": "no effect",
    "bvtPlatform": "no effect",
    "bvtProject": "no effect",
    "bvtService": "no effect",
    "bvtServiceAddress": "no effect",
    "bvtTimeout": "no effect",
    "bvtVersion": "no effect",
}
_SWITCHES: Final[Mapping[str, str]] = {
    "init": "write a default aiges.toml into this directory, unless there is one, and exit",
    "mnist": "write the digits demo into this directory and exit",
    "v": "print the version and exit",
    "h": "print this list and exit",
}
_HELP: Final = ("h", "help")
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})


@dataclass(frozen=True, slots=True)
class ShowUsage:
    """No argument at all: say how to begin."""


@dataclass(frozen=True, slots=True)
class ShowFlags:
    """`-h`: list the flags."""


@dataclass(frozen=True, slots=True)
class ShowVersion:
    """`-v`."""


@dataclass(frozen=True, slots=True)
class WriteDefault:
    """`-init`: put a default aiges.toml into the working directory."""


@dataclass(frozen=True, slots=True)
class WriteDemo:
    """`-mnist`: put the demo project into the working directory."""


@dataclass(frozen=True, slots=True)
class Serve:
    """`-m 0`: run the service.

    Attributes:
        config: The main file; None: aiges.toml of the working directory, written if missing.
        service: Name of the service and of its section.
        inline_defaults: TOML for the keys that the file does not have, or "".
    """

    config: str | None
    service: str
    inline_defaults: str


Invocation = ShowUsage | ShowFlags | ShowVersion | WriteDefault | WriteDemo | Serve


class FlagError(Exception):
    """A command line that cannot be obeyed: exit status 2.

    Attributes:
        show_flags: The list of flags would help.
    """

    def __init__(self, reason: str, *, show_flags: bool = False) -> None:
        super().__init__(reason)
        self.show_flags = show_flags


def is_go_style(argv: Sequence[str]) -> bool:
    """Say whether the arguments (without the program's name) are for `parse`, not a sub-command."""
    return not argv or argv[0].startswith("-")


def parse(argv: Sequence[str]) -> Invocation:
    """Say what the arguments, without the program's name, ask for.

    Raises:
        FlagError: An unknown flag, a value that is missing or wrong, or nothing we can do.
    """
    if not argv:
        return ShowUsage()
    values, words = _split(argv)
    if any(name in values for name in _HELP):
        return ShowFlags()
    if values.get("v") == "true":
        return ShowVersion()
    if values.get("init") == "true":
        return WriteDefault()
    if values.get("mnist") == "true":
        return WriteDemo()
    if words:
        raise FlagError(f"unexpected word {words[0]!r}: flags begin with a dash, as in -m 0")
    _check_mode(values.get("m", ""))
    return Serve(
        config=values.get("c") or None,
        service=values.get("s") or DEFAULT_SERVICE,
        inline_defaults=values.get("dc", ""),
    )


def _split(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Separate flags, switches as "true" or "false", from the words behind them; stop at `-h`."""
    values: dict[str, str] = {}
    rest = list(argv)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        name, equals, value = word.removeprefix("-").removeprefix("-").partition("=")
        if not name or name.startswith("-"):
            raise FlagError(f"bad flag syntax: {word}", show_flags=True)
        if name in _HELP:
            return {name: "true"}, []
        if name in _SWITCHES:
            values[name] = _switch(name, value) if equals else "true"
        elif name not in _VALUES:
            raise FlagError(f"flag provided but not defined: -{name}", show_flags=True)
        elif equals:
            values[name] = value
        elif rest:
            values[name] = rest.pop(0)
        else:
            raise FlagError(f"flag needs an argument: -{name}", show_flags=True)
    return values, rest


def _switch(name: str, value: str) -> str:
    if value not in _TRUE | _FALSE:
        reason = f"invalid boolean value {value!r} for -{name}: expected true or false"
        raise FlagError(reason, show_flags=True)
    return "true" if value in _TRUE else "false"


def _check_mode(mode: str) -> None:
    if mode in {"1", "2"}:
        raise FlagError(
            f"-m {mode} is not supported: there is no configuration centre; "
            "use -m 0 with a local file, as in -m 0 -c aiges.toml -s svcName"
        )
    if mode in {"", "-1"}:
        raise FlagError("-m is missing: use -m 0 to serve with a local file, or -h for all flags")
    if mode != "0":
        reason = f"invalid value {mode!r} for -m: expected 0"
        raise FlagError(reason, show_flags=True)


def usage_text(program: str) -> str:
    """Say how to begin, for people who gave no argument."""
    return f"""\
{program}：把 wrapper.py 变成一个有人照看的推理服务。
  {program} -init                            在当前目录生成 aiges.toml（已有则保留）
  {program} -m=0 -c aiges.toml -s svcName    用本地配置文件启动服务
  {program} -mnist                           在当前目录生成手写数字识别示例
  {program} check -c aiges.toml              只检查配置，不启动
  {program} -h                               列出全部参数
不支持配置中心模式（-m=1）。

{program}: serve a wrapper.py from supervised worker processes.
  {program} -init                            write aiges.toml here, unless there is one
  {program} -m=0 -c aiges.toml -s svcName    serve with a local configuration file
  {program} -mnist                           write the handwritten digits demo here
  {program} check -c aiges.toml              only check the configuration
  {program} -h                               list all flags
The configuration centre (-m=1) is not supported.
"""


def flags_text(program: str) -> str:
    """List every flag with its meaning."""
    lines = [f"Usage of {program}:"]
    entries = {**{f"{name} value": text for name, text in _VALUES.items()}, **_SWITCHES}
    for name, text in entries.items():
        lines += [f"  -{name}", f"    \t{text}"]
    return "\n".join(lines) + "\n"
