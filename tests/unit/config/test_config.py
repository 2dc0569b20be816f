"""aiges.toml, the environment and -dc: what is accepted, what it becomes, what is said about it."""

import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from aiges_loader.config import (
    ConfigError,
    GiveUp,
    ListenAddress,
    LoaderConfig,
    LogLevel,
    PluginMode,
    default_text,
    load,
)
from aiges_loader.config.machine import numa_cpus, usable_cpus

NEEDED = """\
[svcName]
[fc]
able = 1
router = "sessionManager"
max = 1
[log]
level = "info"
"""
"""The least that AIservice starts with; seven lines."""
PYTHON = {"AIGES_PLUGIN_MODE": "python"}

Loader = Callable[..., LoaderConfig]


@pytest.fixture(name="read")
def _read(tmp_path: Path) -> Loader:
    """Load a text as aiges.toml of an empty working directory."""

    def read(
        text: str,
        environ: Mapping[str, str] | None = None,
        *,
        service: str = "svcName",
        defaults: str = "",
    ) -> LoaderConfig:
        path = tmp_path / "aiges.toml"
        path.write_text(text, encoding="utf-8", newline="")
        return load(
            path,
            service=service,
            environ=PYTHON | dict(environ or {}),
            inline_defaults=defaults,
            working_directory=tmp_path,
        )

    return read


@pytest.fixture(name="said")
def _said(tmp_path: Path) -> Callable[..., list[str]]:
    """Return findings as lines without the folder."""

    def said(findings: tuple[object, ...]) -> list[str]:
        return [str(finding).replace(f"{tmp_path}/", "") for finding in findings]

    return said


Said = Callable[[tuple[object, ...]], list[str]]


def errors(read: Loader, said: Said, text: str, **more: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, **more)
    assert str(caught.value).count("\n") + 1 == len(caught.value.findings)
    return said(caught.value.findings)


# What a file becomes


def test_the_least_file_gets_the_documented_defaults(read: Loader) -> None:
    config = read(NEEDED)
    assert config.warnings == config.notes == ()
    assert (config.service.name, config.service.host, config.service.port) == ("svcName", "", 0)
    assert config.service.max_receive_bytes == config.service.max_send_bytes == 4 * 1024**2
    assert config.aiges.python_plugin_cmd == "/usr/bin/env python -m aiges.serve"
    assert config.aiges.header_pass == ("sid",)
    assert config.aiges.real_time_result
    assert config.wrapper == {}
    assert config.limits.max_licences == 1
    assert (config.limits.session_ttl_s, config.limits.session_sweep_s) == (15, 5)
    pool = config.pool
    assert (pool.workers, pool.queue, pool.queue_timeout_s, pool.init_timeout_s) == (
        1,
        0,
        None,
        None,
    )
    assert (pool.restart_wait_s, pool.start_timeout_s, pool.drain_timeout_s) == (5, 60, 30)
    assert (pool.max_restarts, pool.restart_period_s, pool.stable_after_s) == (5, 60, 10)
    assert (pool.backoff_min_s, pool.backoff_max_s, pool.give_up) == (0.1, 30, GiveUp.EXIT)
    http = config.http
    assert (http.timeout_s, http.header_timeout_s, http.idle_timeout_s) == (120, 10, 75)
    assert (http.max_body_bytes, http.legacy_status) == (64 * 1024**2, False)
    assert (config.websocket.read_timeout_s, config.websocket.session_timeout_s) == (15, 180)
    assert (config.log.level, config.log.file) == (LogLevel.INFO, Path("xrpcs.log"))
    assert (config.log.max_file_bytes, config.log.max_files) == (10 * 1024**2, 10)
    assert config.log.max_age_s == 10 * 86_400
    assert config.process.plugin_mode is PluginMode.PYTHON
    assert (config.process.version, config.process.numa_cpus) == ("", None)


def test_the_default_file_is_accepted_without_a_word(read: Loader) -> None:
    config = read(default_text())
    assert config.warnings == config.notes == ()
    assert config.limits.max_licences == 64
    assert config.http.listen == ListenAddress("0.0.0.0", 1888)
    assert (config.service.host, config.service.port) == ("0.0.0.0", 5090)


def test_the_file_that_aiservice_writes_is_accepted_with_notes_only(
    read: Loader, said: Said
) -> None:
    config = read(
        """
[svcName]
finder = 0
host = "0.0.0.0"
port = 5090
[aiges]
gesMock = false
sessMode = false
numaNode = 0
realTimeRlt = false
usrCfg = ""
sub = "common"
asyncMode = true
pythonPluginCmd = "/usr/bin/env python -m aiges.serve"
[wrapper]
"common.lic" = "10"
"resource./msp/resource/one" = "a"
"log.level" = "info"
http_listen = "0.0.0.0:1888"
[ws]
readTimeout = 15
sessionTimeout = 180
[auth]
meterWrapperCtrl = false
[resource]
able = false
[elog]
elogAble = 0
[log]
level = "debug"
file = "./log/aiges.log"
size = 3
count = 3
die = 3
async = 0
[lbv2]
able = 0
sub = "ase"
[trace]
able = 0
host = "127.0.0.1"
[sonar]
able = 0
[fc]
able = 1
router = "sessionManager"
max = 1
ttl = 10000
best = 1
roll = 5000
strategy = 2
"""
    )
    assert config.warnings == ()
    assert [note.split(": ", 2)[1] for note in said(config.notes)] == [
        "[aiges] gesMock",
        "[aiges] sessMode",
        "[aiges] numaNode",
        "[aiges] sub",
        "[aiges] asyncMode",
        "[auth]",
        "[resource]",
        "[elog]",
        "[log] async",
    ]
    assert config.limits.session_ttl_s == 10
    assert config.wrapper["resource./msp/resource/one"] == "a"


def test_zero_switches_limits_off(read: Loader) -> None:
    config = read(f"{NEEDED}[http]\nheaderTimeout = 0\nidleTimeout = 0\n")
    assert (config.http.header_timeout_s, config.http.idle_timeout_s) == (None, None)
    config = read(f"{NEEDED}[pool]\nqueueTimeout = 2\ninitTimeout = 0.5\ngiveUp = 'stay'\n")
    assert (config.pool.queue_timeout_s, config.pool.init_timeout_s) == (2, 0.5)
    assert config.pool.give_up is GiveUp.STAY


def test_concurrency_is_what_the_file_says_or_at_least_one(read: Loader) -> None:
    assert read(f"{NEEDED}[pool]\nconcurrency = 7\n").pool.concurrency == 7
    assert read(f"{NEEDED}[pool]\nconcurrency = 0\n").pool.concurrency >= 1


def test_the_service_section_is_the_one_that_s_names(read: Loader, said: Said) -> None:
    text = f'{NEEDED}[other]\nhost = "127.0.0.1"\nport = 81\nreuseport = 1\nrate = 5\nburst = 9\n'
    config = read(text, service="other")
    assert (config.service.name, config.service.port, config.service.reuse_port) == (
        "other",
        81,
        True,
    )
    assert (config.service.token_interval_s, config.service.token_burst) == (0.005, 9)
    config = read(text)
    assert config.service.port == 0
    assert said(config.notes) == [
        "aiges.toml:8: [other]: is the section of another service, not read for svcName"
    ]


def test_a_missing_service_section_is_a_warning_that_names_the_sections_there_are(
    read: Loader, said: Said
) -> None:
    config = read(NEEDED.replace("[svcName]", "[svcname]\nport = 1"))
    assert config.service.port == 0
    assert said(config.warnings) == [
        "aiges.toml:1: there is no section [svcName], so gRPC listens on this machine's address "
        "and a random port (the file has [svcname])"
    ]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":1888", ("", 1888)),
        ("0.0.0.0:1888", ("0.0.0.0", 1888)),
        ("[::1]:1888", ("::1", 1888)),
        ("localhost:0", ("localhost", 0)),
        ("127.0.0.1:", ("127.0.0.1", 0)),
        (":", ("", 0)),
        ("", ("", 0)),
    ],
)
def test_http_listen_is_an_address(read: Loader, text: str, address: tuple[str, int]) -> None:
    config = read(f'{NEEDED}[wrapper]\nhttp_listen = "{text}"\n')
    assert config.http.listen == ListenAddress(*address)
    assert config.wrapper["http_listen"] == text


@pytest.mark.parametrize("text", ["1888", "::1:1888", "[::1]", "a:b", ":65536", ":-1", "[:1"])
def test_what_is_no_address_is_an_error(read: Loader, said: Said, text: str) -> None:
    assert errors(read, said, f'{NEEDED}[wrapper]\nhttp_listen = "{text}"\n') == [
        'aiges.toml:9: [wrapper] http_listen: expected an address like "0.0.0.0:1888" or '
        f'"[::1]:1888", got "{text}"'
    ]


def test_without_http_listen_the_port_is_random(read: Loader) -> None:
    assert read(NEEDED).http.listen == ListenAddress("", 0)


# What the wrapper gets


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"10"', "10"),
        ("10", "10"),
        ("true", "true"),
        ("false", "false"),
        ("2.50", "2.5"),
        ("1.0", "1"),
        ("1e21", "1000000000000000000000"),
        ("1e-7", "0.0000001"),
        ("100.0", "100"),
        ("-0.25", "-0.25"),
        ("9223372036854775807", "9223372036854775807"),
        ("inf", "+Inf"),
    ],
)
def test_wrapper_values_are_passed_as_plain_text(read: Loader, value: str, text: str) -> None:
    assert read(f'{NEEDED}[wrapper]\n"a.b" = {value}\n').wrapper == {"a.b": text}


@pytest.mark.parametrize(
    ("line", "where", "got"),
    [
        ("a = [1]", "a", "an array"),
        ("a = 2020-01-01", "a", "a date or time"),
        ("a.b = 1", "a", "a table (a key with dots in its name needs quotes)"),
    ],
)
def test_wrapper_values_without_a_text_form_are_errors(
    read: Loader, said: Said, line: str, where: str, got: str
) -> None:
    assert errors(read, said, f"{NEEDED}[wrapper]\n{line}\n") == [
        f"aiges.toml:9: [wrapper] {where}: expected a text, a number, true or false, got {got}"
    ]


def test_a_user_file_replaces_the_wrapper_section(read: Loader, said: Said, tmp_path: Path) -> None:
    (tmp_path / "user.toml").write_text(
        'top = 1\n[secA]\nn = 5\nflag = true\n[secB]\n"x.y" = 1\n', encoding="utf-8"
    )
    config = read(
        f'{NEEDED}[aiges]\nusrCfg = "user.toml"\n[wrapper]\nother = 1\nhttp_listen = ":7"\n'
    )
    assert config.wrapper == {"secA.n": "5", "secA.flag": "true", "secB.x.y": "1"}
    assert config.http.listen == ListenAddress("", 7)
    assert said(config.warnings) == [
        "user.toml:1: top: is in no section, so the wrapper does not get it"
    ]


def test_a_user_file_is_judged_like_the_main_file(read: Loader, said: Said, tmp_path: Path) -> None:
    text = f'{NEEDED}[aiges]\nusrCfg = "user.toml"\n'
    assert errors(read, said, text) == [
        "aiges.toml:9: [aiges] usrCfg: can't open user.toml: No such file or directory"
    ]
    assert errors(read, said, text.replace("user", "us\\u0000er")) == [
        "aiges.toml:9: [aiges] usrCfg: can't open us\0er.toml: embedded null byte"
    ]
    (tmp_path / "user.toml").write_text("[a]\nb = [1]\n[a.c]\n", encoding="utf-8")
    assert errors(read, said, text) == [
        "user.toml:2: [a] b: expected a text, a number, true or false, got an array",
        "user.toml:3: [a] c: expected a text, a number, true or false, got a table"
        " (a key with dots in its name needs quotes)",
    ]
    (tmp_path / "user.toml").write_text("[a]\nb =\n", encoding="utf-8")
    assert errors(read, said, text) == ["user.toml:2: not TOML: column 4: Invalid value"]


def test_headers_to_pass_come_from_the_key_and_the_file(read: Loader, tmp_path: Path) -> None:
    (tmp_path / "headerPass.wrapper").write_text("x-b\n\nx-c\r\n", encoding="utf-8")
    config = read(f'{NEEDED}[aiges]\nheaderPass = "uid; appid;;sid"\n')
    assert config.aiges.header_pass == ("appid", "sid", "uid", "x-b", "x-c")


# Kinds of values


@pytest.mark.parametrize("value", ["2", '"2"', '"+2"', '"02"'])
def test_upstream_numbers_may_be_written_as_text(read: Loader, value: str) -> None:
    assert read(NEEDED.replace("max = 1", f"max = {value}")).limits.max_licences == 2


@pytest.mark.parametrize(
    ("value", "shown"), [("true", "true"), ("2.0", "2.0"), ('"2 "', '"2 "'), ('"2_0"', '"2_0"')]
)
def test_an_upstream_number_of_another_kind_is_replaced_by_its_default(
    read: Loader, said: Said, value: str, shown: str
) -> None:
    config = read(NEEDED.replace("[fc]", f"[fc]\nttl = {value}"))
    assert config.limits.session_ttl_s == 15
    assert said(config.warnings) == [
        f"aiges.toml:3: [fc] ttl: expected a whole number from 0, got {shown}: 15000 is used, "
        "as AIservice does"
    ]


def test_upstream_texts_may_be_numbers(read: Loader, said: Said) -> None:
    config = read(f"{NEEDED}[aiges]\nheaderPass = 15\n")
    assert config.aiges.header_pass == ("15", "sid")
    config = read(f"{NEEDED}[aiges]\nheaderPass = 1.5\n")
    assert config.aiges.header_pass == ("1.5E+00", "sid")
    config = read(f"{NEEDED}[aiges]\nheaderPass = 1e-120\n")
    assert config.aiges.header_pass == ("1E-120", "sid")
    config = read(f"{NEEDED}[aiges]\nheaderPass = true\n")
    assert config.aiges.header_pass == ("sid",)
    assert said(config.warnings) == [
        'aiges.toml:9: [aiges] headerPass: expected a text, got true: "" is used, as AIservice does'
    ]


@pytest.mark.parametrize("value", ["0", '"false"'])
def test_only_a_boolean_switches(read: Loader, said: Said, value: str) -> None:
    config = read(f"{NEEDED}[aiges]\nrealTimeRlt = {value}\n")
    assert config.aiges.real_time_result
    assert len(config.warnings) == 1
    assert not read(f"{NEEDED}[aiges]\nrealTimeRlt = false\n").aiges.real_time_result


@pytest.mark.parametrize(
    ("section", "line", "problem"),
    [
        ("pool", "workers = 0", "workers: expected a whole number in 1..1024, got 0"),
        ("pool", 'workers = "2"', 'workers: expected a whole number in 1..1024, got "2"'),
        ("pool", "workers = true", "workers: expected a whole number in 1..1024, got true"),
        ("pool", "workers = 1.0", "workers: expected a whole number in 1..1024, got 1.0"),
        ("pool", "workers = []", "workers: expected a whole number in 1..1024, got an array"),
        ("pool", "concurrency = -1", "concurrency: expected a whole number in 0..4096, got -1"),
        ("pool", "queue = -1", "queue: expected a whole number in 0..1000000, got -1"),
        ("pool", "restartWait = -1", "restartWait: expected a number in 0..604800, got -1"),
        ("pool", "startTimeout = 0", "startTimeout: expected a number in 0.1..604800, got 0"),
        ("pool", "drainTimeout = inf", "drainTimeout: expected a number in 0..604800, got inf"),
        ("pool", "initTimeout = nan", "initTimeout: expected a number in 0..604800, got nan"),
        ("pool", "queueTimeout = '1'", 'queueTimeout: expected a number in 0..604800, got "1"'),
        ("pool", "stableAfter = true", "stableAfter: expected a number in 0..604800, got true"),
        ("pool", "giveUp = 'Exit'", 'giveUp: expected "exit", "stay" or "wait", got "Exit"'),
        ("pool", "giveUp = 1", 'giveUp: expected "exit", "stay" or "wait", got 1'),
        (
            "pool",
            "backoffMax = 0.05",
            "backoffMax: expected at least backoffMin, which is 0.1, got 0.05",
        ),
        ("http", "timeout = 0", "timeout: expected a number in 0.001..604800, got 0"),
        ("http", "maxBodyMb = 0", "maxBodyMb: expected a whole number in 1..2047, got 0"),
        ("http", "legacyStatus = 1", "legacyStatus: expected true or false, got 1"),
        ("tls", "cert = 'a'", "cert: TLS is not built yet; leave it empty and put a proxy"),
    ],
)
def test_our_keys_are_taken_strictly(
    read: Loader, said: Said, section: str, line: str, problem: str
) -> None:
    found = errors(read, said, f"{NEEDED}[{section}]\n{line}\n")
    assert found[0].startswith(f"aiges.toml:9: [{section}] {problem}")


def test_empty_tls_keys_are_accepted(read: Loader) -> None:
    assert read(f'{NEEDED}[tls]\ncert = ""\nkey = ""\nclientCa = ""\n').warnings == ()


# Where AIservice crashes or goes on half dead


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("max = 1", "", "2: [fc] max: expected a whole number from 0, got nothing"),
        ("max = 1", "max = true", "5: [fc] max: expected a whole number from 0, got true"),
        ("max = 1", "max = -1", "5: [fc] max: expected a whole number from 0, got -1"),
        (
            "able = 1",
            "able = 0",
            "3: [fc] able: expected 1 (AIservice crashes at its first request otherwise), got 0",
        ),
        (
            "able = 1",
            "",
            "2: [fc] able: expected 1 (AIservice crashes at its first request otherwise), "
            "got nothing",
        ),
        (
            '"sessionManager"',
            '"qpsLimiter"',
            '4: [fc] router: expected "sessionManager", got "qpsLimiter"',
        ),
        (
            "max = 1",
            "max = 1\nstrategy = 3",
            "6: [fc] strategy: expected a whole number in 0..2, got 3",
        ),
        (
            "max = 1",
            "max = 1\nroll = 0",
            "6: [fc] roll: expected a whole number from 1, got 0",
        ),
        (
            '"info"',
            '"INFO"',
            '7: [log] level: expected "debug", "info", "warn", "error" or "none", got "INFO"',
        ),
        (
            'level = "info"',
            "",
            '6: [log] level: expected "debug", "info", "warn", "error" or "none", got nothing',
        ),
        (
            "[fc]",
            "[ws]\nreadTimeout = 5\n[fc]",
            "2: [ws] sessionTimeout: expected a whole number in 0..604800, got nothing",
        ),
        (
            "[svcName]",
            "[svcName]\nport = 65536",
            "2: [svcName] port: expected a whole number in 0..65535, got 65536",
        ),
        (
            "[svcName]",
            "[svcName]\nhost = '::1'",
            '2: [svcName] host: expected a host name or an IPv4 address, got "::1"',
        ),
    ],
)
def test_what_upsets_aiservice_is_one_clear_error(
    read: Loader, said: Said, old: str, new: str, line: str
) -> None:
    assert errors(read, said, NEEDED.replace(old, new)) == [f"aiges.toml:{line}"]


def test_all_errors_are_told_at_once_in_the_order_of_the_file(read: Loader, said: Said) -> None:
    found = errors(read, said, "[log]\nlevel = 'loud'\n[pool]\nworkers = 0\n[fc]\nmaxx = 3\nable=1")
    assert [line.split(":")[1:3] for line in found] == [
        ["2", " [log] level"],
        ["4", " [pool] workers"],
        ["5", " [fc] router"],
        ["5", " [fc] max"],
    ]


def test_warnings_come_with_the_errors_they_may_explain(read: Loader, said: Said) -> None:
    with pytest.raises(ConfigError) as caught:
        read(NEEDED.replace("max = 1", "maxx = 1"))
    assert said(caught.value.warnings) == [
        "aiges.toml:5: [fc] maxx: unknown key, has no effect; did you mean max?"
    ]


# Files that are no configuration


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a = \n", "aiges.toml:1: not TOML: column 5: Invalid value"),
        (b"\n\na = 1\na = 2\n", "aiges.toml:4: not TOML: column 6: Cannot overwrite a value"),
        (b"a = 1\nb =", "aiges.toml:2: not TOML: Invalid value, up to the end of the text"),
        (b"a = 1\nb = [\n2,\n3\n[c]\n", "aiges.toml:5: not TOML: column 1: Unclosed array"),
        (b'a = 1\n\nb = """\n2\n\n', "aiges.toml:3: not TOML: Unterminated string, up to"),
        (b"\n# caf\xe9\n", "aiges.toml:2: not UTF-8: byte 0xe9"),
        (b"\na = 1\nb = 9223372036854775808\n", "aiges.toml:3: not TOML: expected a whole number"),
        (b"a = 1\nb = [1, -9223372036854775809]\n", "aiges.toml:2: not TOML: expected a whole"),
        (b"a = 1" + b"0" * 5000, "aiges.toml: not TOML: a number has too many digits"),
        (b"a = " + b"[" * 5000, "aiges.toml: not TOML: arrays or tables are nested too deeply"),
    ],
)
def test_a_file_that_is_not_toml_says_where(
    tmp_path: Path, said: Said, content: bytes, problem: str
) -> None:
    path = tmp_path / "aiges.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path, service="svcName", environ=PYTHON)
    assert said(caught.value.findings)[0].startswith(problem)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    for name, reason in (("missing.toml", "No such file"), (".", "Is a directory")):
        with pytest.raises(ConfigError, match=f"can't open .*: {reason}"):
            load(tmp_path / name, service="svcName", environ=PYTHON)


def test_line_ends_and_a_byte_order_mark_of_windows_are_accepted(read: Loader, said: Said) -> None:
    text = "\ufeff" + NEEDED.replace("\n", "\r\n") + "[pool]\r\nworkers = 0\r\n"
    assert errors(read, said, text)[0].startswith("aiges.toml:9: [pool] workers")


# Keys without effect


@pytest.mark.parametrize(
    ("lines", "warning"),
    [
        ("[pool]\nworker = 1", "[pool] worker: unknown key, has no effect; did you mean workers?"),
        ("[pool]\nxyzzy = 1", "[pool] xyzzy: unknown key, has no effect"),
        ("[pool]\nMAXRESTARTS = 1", "[pool] MAXRESTARTS: unknown key, has no effect; did you mean"),
        (
            "[aiges]\nhttp_listen = ':1'",
            "[aiges] http_listen: unknown key, has no effect; did you mean [wrapper]",
        ),
        ("[pol]", "[pol]: unknown section, has no effect; did you mean pool?"),
        ("[pool]\nhangTimeout = 9", "[pool] hangTimeout: is below [http] timeout"),
        (
            f"[http]\nprocesses = {usable_cpus() + 1}",
            f"[http] processes: is more than the CPUs that it may use, which are {usable_cpus()}",
        ),
        ("[batch]\nmaxSize = 8", "[batch] maxSize: is more than [fc] max, which is 1: a batch"),
        ("[aiges]\nstorageData = true", "[aiges] storageData: has no effect: payloads are not"),
        ("[lbv2]\nable = 1", "[lbv2] able: has no effect: load is not reported"),
        ("[trace]\nable = '1'", "[trace] able: has no effect: nothing is sent to Flume"),
        ("[trace]\nable = true", "[trace] able: expected a whole number, got true: 0 is used"),
        ("[sonar]\nable = 1", "[sonar] able: has no effect: nothing is sent to Flume"),
        ("[metrics]\nable = 1", "[metrics] able: has no effect: metrics are not offered"),
        ("[bvt]\nable = 1", "[bvt] able: has no effect: there is no verification"),
        ("[pprof]\nable = true", "[pprof] able: has no effect: there is no Go program"),
        ("[downAsync]\nrabHost = 'amqp://h:1'", "[downAsync] rabHost: has no effect: results are"),
    ],
)
def test_settings_that_do_nothing_are_warned_of(
    read: Loader, said: Said, lines: str, warning: str
) -> None:
    config = read(f"{NEEDED}{lines}\n")
    (found,) = said(config.warnings)
    assert f": {warning}" in found


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("rate = 5", "[svcName] rate: without burst, which is 0, every gRPC call is refused"),
        ("burst = 5", "[svcName] burst: has no effect without rate, which is 0: there is no limit"),
    ],
)
def test_half_a_rate_limit_is_a_trap_worth_a_warning(
    read: Loader, said: Said, line: str, warning: str
) -> None:
    (found,) = said(read(NEEDED.replace("[svcName]", f"[svcName]\n{line}")).warnings)
    assert found.endswith(f": {warning}")


@pytest.mark.parametrize(
    "lines",
    [
        "[pool]\nhangTimeout = 180\ngpus = []\nenv = {}\nminReady = 1",
        "[admin]\nlisten = '127.0.0.1:1889'\ntoken = ''",
        "[trace]\nable = 0\nhost = 'x'\ndump = 1",
        "[aiges]\nhttpRetry = '3'\nstorageData = false\ngray = false",
        "[downAsync]\nrabHost = ''\nretry = 9",
    ],
)
def test_settings_that_ask_for_nothing_are_silent(read: Loader, lines: str) -> None:
    config = read(f"{NEEDED}{lines}\n")
    assert config.warnings == config.notes == ()


def test_http_listen_in_the_service_section_is_a_trap_worth_a_warning(
    read: Loader, said: Said
) -> None:
    text = NEEDED.replace("[svcName]", "[svcName]\nhttp_listen = ':1888'")
    assert said(read(text).warnings) == [
        "aiges.toml:2: [svcName] http_listen: is not read here, so HTTP gets a random port: "
        "move it to [wrapper]"
    ]
    assert read(f"{text}[wrapper]\nhttp_listen = ':1888'\n").warnings == ()


def test_what_stands_outside_the_sections_is_said(read: Loader, said: Said) -> None:
    assert said(read(f"stray = 1\n{NEEDED}").warnings) == [
        "aiges.toml:1: stray: is in no section, so it has no effect"
    ]
    assert errors(read, said, f"pool = 3\n{NEEDED}") == [
        "aiges.toml:1: [pool]: expected a section, got 3"
    ]
    assert errors(read, said, f"{NEEDED}[[http]]\n") == [
        "aiges.toml:8: [http]: expected a section, got an array"
    ]


def test_no_licences_at_all_is_worth_a_warning(read: Loader, said: Said) -> None:
    config = read(NEEDED.replace("max = 1", "max = 0"))
    assert said(config.warnings) == ["aiges.toml:5: [fc] max: 0 refuses every request"]


# Values from elsewhere


def test_inline_defaults_count_where_the_file_is_silent(read: Loader, said: Said) -> None:
    defaults = "[fc]\nmax = 9\nttl = 1000\n[wrapper]\na = 1\n[pol]\n"
    config = read(NEEDED, defaults=defaults)
    assert (config.limits.max_licences, config.limits.session_ttl_s) == (1, 1)
    assert config.wrapper == {"a": "1"}
    assert said(config.warnings) == [
        "-dc:6: [pol]: unknown section, has no effect; did you mean pool?"
    ]
    assert errors(read, said, NEEDED, defaults="[pool]\nworkers = 0") == [
        "-dc:2: [pool] workers: expected a whole number in 1..1024, got 0"
    ]
    assert errors(read, said, NEEDED, defaults="x") == [
        "-dc:1: not TOML: Expected '=' after a key in a key/value pair, up to the end of the text"
    ]


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("AIGES__POOL__WORKERS", "4", lambda config: config.pool.workers == 4),
        ("aiges__pool__maxrestarts", "7", lambda config: config.pool.max_restarts == 7),
        ("AIGES__POOL__BACKOFFMIN", "0.5", lambda config: config.pool.backoff_min_s == 0.5),
        ("AIGES__POOL__GIVEUP", "stay", lambda config: config.pool.give_up is GiveUp.STAY),
        ("AIGES__HTTP__LEGACYSTATUS", "True", lambda config: config.http.legacy_status),
        ("AIGES__SVCNAME__PORT", "81", lambda config: config.service.port == 81),
        ("AIGES__FC__MAX", "3", lambda config: config.limits.max_licences == 3),
        ("AIGES__AIGES__REALTIMERLT", "0", lambda config: not config.aiges.real_time_result),
        ("AIGES__WRAPPER__MODEL_PATH", "/m", lambda config: config.wrapper["Model.Path"] == "/m"),
        ("AIGES__WRAPPER__NEW", "1", lambda config: config.wrapper["new"] == "1"),
        ("AIGES__WRAPPER__LOG_LEVEL", "x", lambda config: config.wrapper["log.level"] == "x"),
        ("AIGES__WRAPPER__HTTP_LISTEN", ":5", lambda config: config.http.listen.port == 5),
    ],
)
def test_a_variable_overrides_a_key(
    read: Loader, variable: str, text: str, value: Callable[[LoaderConfig], bool]
) -> None:
    config = read(f'{NEEDED}[wrapper]\n"Model.Path" = "a"\n', {variable: text})
    assert value(config)
    assert config.warnings == ()


def test_of_two_keys_a_variable_means_the_one_that_is_spelled_like_it(read: Loader) -> None:
    text = f'{NEEDED}[wrapper]\n"a.b" = 1\na_b = 2\n'
    assert read(text, {"AIGES__WRAPPER__A_B": "3"}).wrapper == {"a.b": "1", "a_b": "3"}
    assert read(text, {"AIGES__WRAPPER__A.B": "3"}).wrapper == {"a.b": "3", "a_b": "2"}


def test_a_variable_does_not_make_a_ws_section_that_lacks_its_other_key(read: Loader) -> None:
    config = read(NEEDED, {"AIGES__WS__READTIMEOUT": "4"})
    assert (config.websocket.read_timeout_s, config.websocket.session_timeout_s) == (4, 180)


@pytest.mark.parametrize(
    ("variable", "text", "error"),
    [
        ("AIGES__POOL__WORKERS", "four", "[pool] workers: expected a whole number in 1..1024, got"),
        ("AIGES__POOL__WORKERS", "0", "[pool] workers: expected a whole number in 1..1024, got 0"),
        ("AIGES__FC__MAX", "", '[fc] max: expected a whole number from 0, got ""'),
        ("AIGES__POOL__BACKOFFMIN", "x", "[pool] backoffMin: expected a number in 0.001..604800"),
        ("AIGES__POOL__BACKOFFMIN", "nan", "[pool] backoffMin: expected a number in 0.001..604800"),
        (
            "AIGES__HTTP__LEGACYSTATUS",
            "on",
            '[http] legacyStatus: expected true or false, got "on"',
        ),
        ("aiges__tls__cert", "a", "[tls] cert: TLS is not built yet"),
    ],
)
def test_a_bad_value_of_a_variable_names_the_variable(
    read: Loader, said: Said, variable: str, text: str, error: str
) -> None:
    (found,) = errors(read, said, NEEDED, environ={variable: text})
    assert found.startswith(f"{variable}: {error}")


@pytest.mark.parametrize("variable", ["AIGES__", "AIGES__POOL", "AIGES__POOL__X", "AIGES__X__PORT"])
def test_a_variable_that_matches_no_key_is_a_warning(
    read: Loader, said: Said, variable: str
) -> None:
    assert said(read(NEEDED, {variable: "1"}).warnings) == [
        f"{variable}: matches no key of the configuration, so it has no effect"
    ]


def test_a_variable_for_a_service_whose_name_has_other_characters(read: Loader) -> None:
    config = read(NEEDED, {"AIGES__MY_SVC__CONN_RBUF": "3"}, service="my-svc")
    assert "[my-svc] conn-rbuf" in "\n".join(map(str, config.warnings))
    config = read(NEEDED, {"AIGES__Straße__PORT": "82"}, service="straße")
    assert config.service.port == 82


def test_a_wrong_plugin_mode_is_refused_in_the_words_of_aiservice(read: Loader) -> None:
    text = r"Not Support This Plugin Mode\.\.\. should be on of c\|python\.\.\."
    with pytest.raises(ConfigError, match=text):
        read(NEEDED, {"AIGES_PLUGIN_MODE": "go"})


def test_without_a_plugin_mode_a_c_library_decides(read: Loader, tmp_path: Path) -> None:
    unset = {"AIGES_PLUGIN_MODE": ""}
    assert read(NEEDED, unset).process.plugin_mode is PluginMode.PYTHON
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libwrapper.so").touch()
    elsewhere = unset | {"LD_LIBRARY_PATH": f"/nowhere:{tmp_path}/lib"}
    assert read(NEEDED, unset).process.plugin_mode is PluginMode.PYTHON
    assert read(NEEDED, elsewhere).process.plugin_mode is PluginMode.C
    assert read(NEEDED, elsewhere | PYTHON).process.plugin_mode is PluginMode.PYTHON
    (tmp_path / "libwrapper.so").touch()
    assert read(NEEDED, unset).process.plugin_mode is PluginMode.C


def test_the_version_of_the_wrapper_comes_from_the_environment(read: Loader) -> None:
    assert read(NEEDED, {"AIGES_WRAPPER_VERSION": "1.2.3"}).process.version == "1.2.3"


def test_the_numa_node_is_read_as_aiservice_does(read: Loader, said: Said) -> None:
    assert read(NEEDED, {"AIGES_ENV_NUMA": "-1"}).process.numa_cpus is None
    assert read(NEEDED, {"AIGES_ENV_NUMA": "99", "GOOS": "darwin"}).process.numa_cpus is None
    if (numa_cpus(0) or frozenset()) & os.sched_getaffinity(0):
        config = read(NEEDED, {"AIGES_ENV_NUMA": "auto"})
        assert config.process.numa_cpus
        assert said(config.warnings) == [
            'AIGES_ENV_NUMA: expected the number of a NUMA node, got "auto": node 0 is used, '
            "as AIservice does"
        ]
    assert errors(read, said, NEEDED, environ={"AIGES_ENV_NUMA": "99999"}) == [
        "AIGES_ENV_NUMA: there is no NUMA node 99999 with CPUs"
    ]


# Whatever a file holds

_VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats()
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=8)
    | st.sampled_from(["info", "sessionManager", ":1888", "user.toml", "\0"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab."), inner, max_size=2),
    max_leaves=4,
)
_SECTIONS = ["svcName", "fc", "log", "pool", "http", "wrapper", "aiges", "ws", "tls", "lbv2", "x"]
_NAMES = [
    *("max", "able", "router", "ttl", "level", "workers", "backoffMax", "giveUp", "timeout"),
    *("http_listen", "usrCfg", "headerPass", "readTimeout", "cert", "port", "host", "gpus", "a.b"),
]


def toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{toml(key)} = {toml(item)}' for key, item in value.items())}}}"
        case str():
            return '"' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '"'
        case _:
            return repr(value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    given_values=st.dictionaries(
        st.sampled_from(_SECTIONS),
        _VALUES | st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=6),
    ),
    complete=st.booleans(),
)
def test_any_toml_loads_or_says_on_which_line_it_is_wrong(
    read: Loader, given_values: dict[str, object], complete: bool
) -> None:
    text = "".join(f"{toml(key)} = {toml(value)}\n" for key, value in given_values.items())
    if complete and not {"fc", "log", "svcName"} & given_values.keys():
        text += NEEDED
    check_that_it_loads_or_fails_at_a_line(read, text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text("a.=[]{}\"'1-:T\n#, \\", max_size=40))
def test_any_text_that_parses_loads_or_says_on_which_line_it_is_wrong(
    read: Loader, text: str
) -> None:
    check_that_it_loads_or_fails_at_a_line(read, text)


def check_that_it_loads_or_fails_at_a_line(read: Loader, text: str) -> None:
    try:
        config = read(text)
    except ConfigError as error:
        lines = text.count("\n") + 1
        places = [finding.place for finding in error.findings]
        assert all(place is not None and 1 <= place.line <= lines for place in places)
    else:
        tomllib.loads(text)
        assert config.limits.max_licences >= 0


def test_the_admin_listener_is_local_unless_the_file_says_otherwise(read: Loader) -> None:
    admin = read(NEEDED).admin
    assert admin.listen == ListenAddress("127.0.0.1", 1889)
    assert not admin.is_asked_for
    assert admin.token == ""
    admin = read(f"{NEEDED}[admin]\nlisten = '127.0.0.1:1889'").admin
    assert admin.is_asked_for
    assert read(NEEDED, {"AIGES__ADMIN__LISTEN": "127.0.0.1:0"}).admin.is_asked_for
    assert read(f"{NEEDED}[admin]\nlisten = ''").admin.listen is None


@pytest.mark.parametrize("listen", [":1889", "0.0.0.0:1889", "[::]:1889", "10.0.0.1:1", "myhost:1"])
def test_an_admin_listener_that_others_reach_needs_a_token(
    read: Loader, said: Said, listen: str
) -> None:
    text = f"{NEEDED}[admin]\nlisten = '{listen}'\n"
    with pytest.raises(ConfigError) as caught:
        read(text)
    (found,) = said(caught.value.findings)
    assert "[admin] listen: " in found
    assert "token must be set" in found
    assert read(f"{text}token = 'secret'").admin.token == "secret"


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:0", "127.8.9.1:1889", "[::1]:1889", "localhost:1889"]
)
def test_a_local_admin_listener_needs_none(read: Loader, listen: str) -> None:
    assert read(f"{NEEDED}[admin]\nlisten = '{listen}'").admin.listen is not None


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ("listen = '1889'", "[admin] listen: expected an address like"),
        ("token = 'two words'", "[admin] token: expected printable ASCII"),
        ("token = 'ключ'", "[admin] token: expected printable ASCII"),
        ("token = 5", "[admin] token: expected a text"),
    ],
)
def test_what_cannot_be_an_admin_listener_is_an_error(
    read: Loader, said: Said, lines: str, error: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"{NEEDED}[admin]\n{lines}\n")
    (found,) = said(caught.value.findings)
    assert error in found


def test_the_token_is_not_shown_with_the_configuration(read: Loader) -> None:
    assert "hush" not in repr(read(f"{NEEDED}[admin]\ntoken = 'hush'"))


def test_batches_need_version_2_of_the_protocol(read: Loader, said: Said) -> None:
    config = read(
        f"{NEEDED.replace('max = 1', 'max = 64')}[batch]\nmaxSize = 8\n[pool]\nprotocol = '1'\n"
    )
    (found,) = said(config.warnings)
    assert "[batch] maxSize: has no effect with [pool] protocol" in found
