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
    "help.any_options": Text("[OPTIONS]", "[选项]"),
    "help.any_command": Text("COMMAND [OPTIONS]", "命令 [选项]"),
    "help.required": Text("[required]", "[必填]"),
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
        "Go to the project's folder, name it with -p DIR, or make a project: aiges create -n NAME."
        " A project in C is built first: make",
        "找不到 wrapper。查找过：\n  {looked}\n"
        "请进入项目目录，或用 -p DIR 指定，或新建一个项目：aiges create -n NAME。"
        "C 项目要先构建：make",
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
    "create.next_library": Text(
        "Next:\n  cd {folder}\n  make test     build it and call it, without a server\n"
        "  {program} dev     serve it; building it again restarts it",
        "接下来：\n  cd {folder}\n  make test     构建，不启动服务，先调用一次\n"
        "  {program} dev     启动服务，重新构建即重启",
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
    # Loading a wrapper.
    "load.raised": Text(
        "the wrapper cannot be loaded:\n{traceback}", "无法加载 wrapper：\n{traceback}"
    ),
    # aiges test
    "test": Text(
        "Try a wrapper with its declared test values, without a server. The exit status says how.",
        "不启动服务，用声明的测试值试运行 wrapper；退出码表示结果。",
    ),
    "test.once": Text("Try a single call.", "试一次调用。"),
    "test.stream": Text("Try a session.", "试一个会话。"),
    "test.limit": Text(
        "Seconds until it is given up, with all stacks on stderr.",
        "超过这么多秒就放弃，并把所有线程的堆栈写到 stderr。",
    ),
    "test.no_base": Text(
        "{name} does not derive from aiges.sdk.WrapperBase, so it cannot be tried this way;"
        " it can be served: aiges run",
        "{name} 没有继承 aiges.sdk.WrapperBase，不能这样试运行；可以启动服务：aiges run",
    ),
    "test.not_defined": Text(
        "the wrapper defines none of: {names}", "wrapper 没有定义其中任何一个：{names}"
    ),
    "test.session_error": Text("the session ends with error {code}", "会话以错误 {code} 结束"),
    "test.error_code": Text("answers with error {code}: {text}", "返回错误 {code}：{text}"),
    "test.output": Text("{key}  {kind}, {bytes} bytes", "{key}  {kind}，{bytes} 字节"),
    "test.pieces": Text(
        "{key}  {kind}, {bytes} bytes in {pieces} results",
        "{key}  {kind}，{pieces} 个结果共 {bytes} 字节",
    ),
    "test.passed": Text("{count} of {count} passed", "{count} 项全部通过"),
    "test.failed": Text("{failed} of {count} failed", "{count} 项中有 {failed} 项失败"),
    # aiges call
    "call": Text(
        "Call a running service; its text is printed, pictures and sound are saved.",
        "调用正在运行的服务：文本直接显示，图片和声音存为文件。",
    ),
    "call.input": Text("An input that is text; may be repeated.", "文本输入，可以重复。"),
    "call.file": Text("An input that is in a file; may be repeated.", "文件输入，可以重复。"),
    "call.param": Text("A parameter; may be repeated.", "参数，可以重复。"),
    "call.folder": Text(
        "Where to save what is no text; by default here.", "非文本输出的保存目录，默认为当前目录。"
    ),
    "call.stream": Text(
        "Have a session: results are shown as they come.", "使用会话：结果到达即显示。"
    ),
    "call.limit": Text("Longest wait in seconds.", "最长等待秒数。"),
    "call.no_client": Text(
        "aiges call needs the package aiohttp:\n  pip install 'aiges-loader[client]'",
        "aiges call 需要 aiohttp 包：\n  pip install 'aiges-loader[client]'",
    ),
    "call.no_pair": Text("expected NAME=VALUE, got {text!r}", "应为 NAME=VALUE，得到 {text!r}"),
    "call.no_file": Text("{path}: {reason}", "{path}：{reason}"),
    "call.no_input": Text(
        "no input: use -i NAME=TEXT or -f NAME=FILE. The service takes: {takes}",
        "没有输入：请用 -i 名称=文本 或 -f 名称=文件。服务接受：{takes}",
    ),
    "call.unknown_input": Text(
        "the service has no input {name!r}; it takes: {takes}",
        "服务没有名为 {name!r} 的输入；它接受：{takes}",
    ),
    "call.retry": Text("; the same call may go well later", "；稍后重试可能成功"),
    "call.saved": Text(
        "{name}: {bytes} bytes saved in {path}", "{name}：{bytes} 字节，已存入 {path}"
    ),
    # aiges schema
    "schema": Text("Print what a wrapper declares, as JSON.", "以 JSON 输出 wrapper 的声明。"),
    "schema.legacy": Text("In the older form.", "使用旧格式。"),
    # aiges package
    "package": Text(
        "Pack a project into one file that runs elsewhere.",
        "把项目打包成一个可以在别处运行的文件。",
    ),
    "package.output": Text(
        "The file; by default NAME.tar.gz, here.", "文件名，默认为当前目录下的 名称.tar.gz。"
    ),
    "package.done": Text(
        "{file}: {files} files, {bytes} bytes", "{file}：{files} 个文件，{bytes} 字节"
    ),
    "package.then": Text(
        "Elsewhere:\n  tar xzf {name}\n  cd {folder}\n"
        "  pip install -r requirements.txt\n  aiges run",
        "在别处：\n  tar xzf {name}\n  cd {folder}\n  pip install -r requirements.txt\n  aiges run",
    ),
    "package.cannot": Text("cannot pack: {path}: {reason}", "无法打包：{path}：{reason}"),
    "package.link": Text(
        "{path} is a link to a folder; put the folder itself there",
        "{path} 是指向目录的链接；请换成目录本身",
    ),
    "package.dangling": Text("{path} is a link that leads nowhere", "{path} 是失效的链接"),
    "package.no_requirements": Text(
        "there is no requirements.txt: nobody else can know what to install",
        "没有 requirements.txt：别人无从知道要安装什么",
    ),
    "package.upstream": Text(
        "requirements.txt names aiges, the SDK of the original, which takes the place of"
        " aiges-loader's module: write aiges-loader instead",
        "requirements.txt 里写的 aiges 是原版 SDK，会占用 aiges-loader 的同名模块："
        "请改为 aiges-loader",
    ),
    # aiges doctor
    "doctor": Text(
        "Look for what is wrong with this machine, this Python and this project.",
        "检查本机、当前 Python 和项目有什么问题。",
    ),
    "doctor.old_python": Text("use Python 3.11 or newer", "请使用 Python 3.11 或更新的版本"),
    "doctor.missing": Text("not installed", "没有安装"),
    "doctor.install": Text("pip install {package}", "pip install {package}"),
    "doctor.stubs": Text(
        "grpcio and protobuf do not fit the generated code:"
        " pip install -U aiges-loader grpcio protobuf",
        "grpcio、protobuf 与生成的代码不匹配：pip install -U aiges-loader grpcio protobuf",
    ),
    "doctor.stubs_fit": Text(
        "generated code fits grpcio and protobuf", "生成的代码与 grpcio、protobuf 匹配"
    ),
    "doctor.upstream": Text(
        "version {version} of the original's SDK is installed; its module has the same name",
        "装有原版 SDK {version}，它的模块同名",
    ),
    "doctor.uninstall_upstream": Text(
        "pip uninstall aiges, then pip install --force-reinstall --no-deps aiges-loader",
        "先 pip uninstall aiges，再 pip install --force-reinstall --no-deps aiges-loader",
    ),
    "doctor.extra": Text("{module} is there, for {used_by}", "已有 {module}，用于 {used_by}"),
    "doctor.no_extra": Text("{module} is missing, for {used_by}", "缺少 {module}，用于 {used_by}"),
    "doctor.free": Text("free", "空闲"),
    "doctor.busy": Text("busy", "被占用"),
    "doctor.other_port": Text(
        "aiges run takes the next free one; aiges-loader needs another address in aiges.toml",
        "aiges run 会用下一个空闲端口；aiges-loader 需在 aiges.toml 里换地址",
    ),
    "doctor.raise_files": Text(
        "each connection takes one: raise the hard limit (ulimit -Hn) to {enough}",
        "每个连接占用一个：请把硬上限（ulimit -Hn）提高到 {enough}",
    ),
    "doctor.bash": Text("install bash: workers are started by it", "请安装 bash：工作进程由它启动"),
    "doctor.not_needed": Text("not found; not needed to serve", "没有找到；提供服务不需要它"),
    "doctor.no_project": Text("there is none here", "这里没有"),
    "doctor.shadows": Text(
        "{path} takes the place of a module that workers need",
        "{path} 占用了工作进程所需模块的名字",
    ),
    "doctor.rename": Text("rename it", "请改名"),
    "doctor.import_slow": Text(
        "importing it takes more than {seconds:g} s", "导入超过 {seconds:g} s"
    ),
    "doctor.import_at_top": Text(
        "load models in wrapperInit, not when the module is imported",
        "请在 wrapperInit 里加载模型，不要在导入模块时加载",
    ),
    "doctor.import_by_hand": Text(
        "see the whole traceback: python wrapper.py", "查看完整的 traceback：python wrapper.py"
    ),
    "doctor.status": Text("exit status {status}", "退出码 {status}"),
    "doctor.fine": Text("Nothing is wrong.", "没有问题。"),
    "doctor.errors": Text("{count} errors.", "{count} 个错误。"),
}
