"""Everything that the commands say, in English and in Chinese. One table."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Language = Literal["en", "zh"]

VARIABLE: Final = "AIGES_LANG"
"""Environment variable that decides the language, whatever the locale: zh or en."""


@dataclass(frozen=True, slots=True)
class Text:
    """One message in both languages, with the same {placeholders}."""

    en: str
    zh: str


def say(name: str, /, **values: object) -> str:
    """Return a message in the user's language, filled in."""
    text = TEXTS[name]
    return (text.zh if language(os.environ) == "zh" else text.en).format(**values)


def language(environ: Mapping[str, str]) -> Language:
    """Choose the language: `AIGES_LANG`, else as gettext does by the locale's variables.

    LC_ALL, LC_MESSAGES and LANG name the locale, the first that is set; LANGUAGE lists languages
    in the order of preference, unless the locale is C.
    """
    if (asked := environ.get(VARIABLE, "").lower()[:2]) in ("zh", "en"):
        return "zh" if asked == "zh" else "en"
    named = (environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, named), "C")
    wanted = (
        [*environ.get("LANGUAGE", "").split(":"), locale] if locale not in ("C", "POSIX") else []
    )
    for name in wanted:
        if name.startswith(("zh", "en")):
            return "zh" if name.startswith("zh") else "en"
    return "en"


TEXTS: Final[Mapping[str, Text]] = {
    # The command line itself.
    "error": Text("error: {text}", "错误：{text}"),
    "warning": Text("warning: {text}", "警告：{text}"),
    "help.usage": Text("Usage: ", "用法："),
    "help.options": Text("Options", "选项"),
    "help.commands": Text("Commands", "命令"),
    "help.help": Text("Show this and exit.", "显示本帮助并退出。"),
    "help.version": Text("Print the version and exit.", "显示版本并退出。"),
    "help.project": Text(
        "The project; by default the working directory.", "项目目录，默认为当前目录。"
    ),
    "help.json": Text("Print JSON, for programs.", "输出 JSON，供程序读取。"),
    "usage.try_help": Text("Try: {command} --help", "试试：{command} --help"),
    "usage.no_command": Text("there is no command {name!r}", "没有命令 {name!r}"),
    "usage.did_you_mean": Text("; did you mean {name!r}?", "；是不是 {name!r}？"),
    "usage.no_option": Text("there is no option {name!r}", "没有选项 {name!r}"),
    "usage.missing": Text("{name} is missing", "缺少 {name}"),
    "usage.bad_value": Text("{name}: {text}", "{name}：{text}"),
    "aiges": Text(
        "Write, try and serve wrappers: Python classes or C libraries that do inference.",
        "编写、试用并提供 wrapper 服务：做推理的 Python 类或 C 库。",
    ),
    # Projects.
    "project.no_folder": Text("there is no folder {folder}", "目录不存在：{folder}"),
    "project.no_wrapper": Text(
        "there is no wrapper. Looked for:\n  {looked}\n"
        "Go to the project's folder, name it with -p DIR, or make a project: aiges create -n NAME",
        "找不到 wrapper。查找过：\n  {looked}\n"
        "请进入项目目录，或用 -p DIR 指定，或新建一个项目：aiges create -n NAME",
    ),
    "project.library": Text(
        "{folder} holds a C library and no wrapper.py; this command is for wrappers in Python",
        "{folder} 里是 C 库，没有 wrapper.py；此命令只用于 Python 写的 wrapper",
    ),
    # aiges create
    "create": Text("Make a new project.", "新建项目。"),
    "create.name": Text(
        "Name of the project, its folder and its service.", "项目、目录和服务的名称。"
    ),
    "create.path": Text("Where to; by default here.", "放在哪个目录下，默认为当前目录。"),
    "create.lang": Text("Language of the wrapper.", "wrapper 的语言。"),
    "create.kind": Text(
        "What the wrapper does: answer at once, stream results, or answer batches (Python).",
        "wrapper 的类型：一次回答、流式返回、批量处理（仅 Python）。",
    ),
    "create.force": Text("Replace files that are there.", "覆盖已有的文件。"),
    "create.bad_name": Text(
        "{name!r} cannot be a project's name: it begins with a letter, followed by at most 63"
        " letters, digits, _ or -",
        "{name!r} 不能作为项目名：须以字母开头，其后是至多 63 个字母、数字、_ 或 -",
    ),
    "create.kind_of_library": Text(
        "--kind is for Python; the template in C has one kind",
        "--kind 只用于 Python；C 模板只有一种",
    ),
    "create.in_the_way": Text(
        "nothing written, this is there already:\n  {taken}\n"
        "--force replaces files; a folder in the place of a file, or the other way round, must go",
        "没有写入任何文件，以下已存在：\n  {taken}\n--force 覆盖文件；目录与文件互相占位的须先移走",
    ),
    "create.cannot_write": Text(
        "nothing written: {path}: {reason}", "没有写入任何文件：{path}：{reason}"
    ),
    "create.done": Text("{count} files in {folder}:", "{folder} 里写入了 {count} 个文件："),
    "create.next": Text(
        "Next:\n  cd {folder}\n  {program} test     try it, without a server\n"
        "  {program} dev      serve it; saving a file restarts it",
        "接下来：\n  cd {folder}\n  {program} test     不启动服务，先试一次\n"
        "  {program} dev      启动服务，保存文件即重启",
    ),
    # Addresses.
    "address.no_port": Text("no port is free on {host}", "{host} 上没有空闲端口"),
    "address.no_host": Text(
        "{host!r} is no address of this machine: {reason}", "{host!r} 不是本机地址：{reason}"
    ),
    # aiges run
    "run": Text("Serve a project until Ctrl-C.", "启动服务，Ctrl-C 停止。"),
    "run.host": Text(
        "Address to listen on; by default as aiges.toml says, else 127.0.0.1. 0.0.0.0: all.",
        "监听地址，默认按 aiges.toml，否则 127.0.0.1；0.0.0.0 表示所有网卡。",
    ),
    "run.port": Text(
        "HTTP port; by default as aiges.toml says, else the first free one from 1888 on.",
        "HTTP 端口，默认按 aiges.toml，否则取 1888 起第一个空闲端口。",
    ),
    "run.workers": Text("Worker processes.", "工作进程数。"),
    "run.no_config": Text("no aiges.toml, so the defaults", "没有 aiges.toml，使用默认值"),
    "run.starting": Text(
        "Serving {source} on {url} ({config}). Ctrl-C stops.",
        "在 {url} 提供 {source}（{config}）。Ctrl-C 停止。",
    ),
    "run.ready": Text("Ready:", "已就绪："),
    "run.no_answer": Text("the service does not answer: {reason}", "服务没有应答：{reason}"),
    # aiges dev
    "dev": Text(
        "Serve a project, and restart it whenever a source file is saved.",
        "启动服务，保存源文件即重启。",
    ),
    "dev.no_watchfiles": Text(
        "aiges dev needs the package watchfiles:\n  pip install 'aiges-loader[dev]'",
        "aiges dev 需要 watchfiles 包：\n  pip install 'aiges-loader[dev]'",
    ),
    "dev.watching": Text("Watching {folder}.", "正在监视 {folder}。"),
    "dev.restarting": Text("{names} saved: restarting", "{names} 已保存：正在重启"),
    "dev.reloading": Text("{names} saved: reloading", "{names} 已保存：正在重新加载"),
    "dev.new_config": Text(
        "{names} is new: it counts from the next start of aiges dev on",
        "{names} 是新文件：下次启动 aiges dev 时才生效",
    ),
    "dev.cannot_watch": Text("cannot watch {folder}: {reason}", "无法监视 {folder}：{reason}"),
    "dev.ready": Text("Ready again after {seconds} s.", "{seconds} s 后重新就绪。"),
    "dev.failed": Text(
        "It does not start: {problem}\nWaiting for the next save.",
        "启动失败：{problem}\n等待下一次保存。",
    ),
}
