"""Every key there is: its kind, default and range, and whether anything depends on it. No I/O.

The names, kinds and defaults outside `OUR_SECTIONS` are those of AIservice's file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from math import inf
from types import MappingProxyType

from aiges_wire.frames import MAX_TOGETHER


class Kind(Enum):
    """What a value must be.

    Items of a LIST and values of a TABLE are texts or whole numbers. `ANY` is not looked at.
    """

    INTEGER = auto()
    NUMBER = auto()
    TEXT = auto()
    SWITCH = auto()
    LIST = auto()
    TABLE = auto()
    ANY = auto()


class State(Enum):
    """What comes of setting a key."""

    WORKS = "works"
    ABSENT = "not available"
    """AIservice does it, this program does not: a warning if it is set to something else."""
    DETAIL = "detail"
    """Belongs to something absent, whose own switch has the warning."""
    SETTLED = "settled"
    """There is nothing left to choose: a note."""
    DEAD = "ignored"
    """AIservice does not read it either: a note."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the file.

    Attributes:
        section: Its section; `SERVICE` for the one that has the service's name.
        name: As spelled in the file.
        default: What counts if the key is not there. None: it must be there.
        low: Smallest number allowed.
        high: Largest.
        choices: The texts allowed; empty: any.
        instead: If the state is ABSENT, SETTLED or DEAD: what happens, as a sentence's end.
    """

    section: str
    name: str
    kind: Kind = Kind.ANY
    default: object = None
    state: State = State.WORKS
    low: float = -inf
    high: float = inf
    choices: tuple[str, ...] = ()
    instead: str = ""

    @property
    def ours(self) -> bool:
        """Say whether a value of the wrong kind is an error; AIservice uses the default then."""
        return self.section in OUR_SECTIONS


SERVICE = "<service>"
"""Stands for the section that has the service's name."""
OUR_SECTIONS = frozenset({"pool", "http", "batch", "admin", "tls"})
DEAD_SECTIONS = frozenset({"auth", "resource", "elog"})
"""In sample files, read by nobody."""
DEFAULT_COMMAND = "/usr/bin/env python -m aiges.serve"
"""Runs a worker; an empty `pythonPluginCmd` means this, too."""

_A_WEEK_S = 7 * 86_400
_MAX_MIB = 2047
"""gRPC counts message bytes in a signed 32-bit number."""


def _integer(
    section: str, name: str, default: int | None, low: float = 0, high: float = inf
) -> Key:
    return Key(section, name, Kind.INTEGER, default, low=low, high=high)


def _seconds(section: str, name: str, default: float, low: float = 0) -> Key:
    return Key(section, name, Kind.NUMBER, default, low=low, high=_A_WEEK_S)


def _text(section: str, name: str, default: str | None, *choices: str) -> Key:
    return Key(section, name, Kind.TEXT, default, choices=choices)


def _switch(section: str, name: str, *, default: bool) -> Key:
    return Key(section, name, Kind.SWITCH, default)


def _absent(section: str, name: str, default: int | str | bool, instead: str) -> Key:
    kind = {int: Kind.INTEGER, str: Kind.TEXT, bool: Kind.SWITCH}[type(default)]
    return Key(section, name, kind, default, State.ABSENT, instead=instead)


def _details(section: str, names: str) -> Iterator[Key]:
    for name in names.split():
        yield Key(section, name, state=State.DETAIL)


def _settled(section: str, name: str, instead: str) -> Key:
    return Key(section, name, state=State.SETTLED, instead=instead)


def _dead(section: str, names: str) -> Iterator[Key]:
    for name in names.split():
        yield Key(section, name, state=State.DEAD, instead="nothing reads it")


_SERVICE = (
    _text(SERVICE, "host", ""),
    _text(SERVICE, "netcard", ""),
    _integer(SERVICE, "port", 0, high=65_535),
    _integer(SERVICE, "reuseport", 0, low=-inf),
    _integer(SERVICE, "maxreceive", 4, low=1, high=_MAX_MIB),
    _integer(SERVICE, "maxsend", 4, low=1, high=_MAX_MIB),
    _integer(SERVICE, "rate", 0),
    _integer(SERVICE, "burst", 0),
    _absent(SERVICE, "finder", 0, "there is no service discovery: nothing is registered"),
    _absent(SERVICE, "grpctimeout", 120, "the gRPC library's own limit applies"),
    _absent(SERVICE, "conn-rbuf", 0, "the gRPC library sizes its buffers itself"),
    _absent(SERVICE, "conn-wbuf", 2, "the gRPC library sizes its buffers itself"),
    _absent(SERVICE, "vcpu", 0, "replies carry no vcpu parameter"),
    *_details(SERVICE, "vcpu-g vcpu-s vcpu-v vcpu-i"),
    *_dead(SERVICE, "keepalive keepalive-timeout"),
    Key(
        SERVICE,
        "http_listen",
        state=State.DEAD,
        instead="nothing reads it here; the HTTP address is [wrapper] http_listen",
    ),
)

_AIGES = (
    _switch("aiges", "realTimeRlt", default=True),
    _text("aiges", "usrCfg", ""),
    _text("aiges", "headerPass", ""),
    _text("aiges", "pythonPluginCmd", DEFAULT_COMMAND),
    _text("aiges", "schema", ""),
    _switch("aiges", "asyncMode", default=False),
    _integer("aiges", "httpRetry", 1, low=-inf),
    _absent("aiges", "storageData", False, "payloads are not written to files"),
    _absent("aiges", "gray", False, "there is no sonar metric that could carry the tag"),
    _settled("aiges", "sessMode", "every route takes POST and WebSocket alike"),
    _settled("aiges", "sessDelGt", "licences are returned without helpers"),
    _settled("aiges", "asyncRelease", "licences are returned at once"),
    *_dead("aiges", "sub wrapperTrace wrapperDelayDetectPeriod gesMock numaNode"),
)

_WRAPPER = (_text("wrapper", "http_listen", ":"), Key("wrapper", "log.level"))

_FC = (
    _integer("fc", "max", None),
    _integer("fc", "able", 0, low=-inf),
    _text("fc", "router", None, "sessionManager"),
    _integer("fc", "ttl", 15_000),
    _integer("fc", "roll", 5_000, low=1),
    _integer("fc", "strategy", 0, high=2),
    *_details("fc", "best wave report filterwin"),
    *_dead("fc", "tasksize taskchsize"),
)

_POOL = (
    _integer("pool", "workers", 1, low=1, high=1024),
    _integer("pool", "concurrency", 0, high=4096),
    _integer("pool", "queue", 0, high=1_000_000),
    _seconds("pool", "queueTimeout", 0.0),
    _seconds("pool", "restartWait", 5.0),
    _seconds("pool", "startTimeout", 60.0, low=0.1),
    _seconds("pool", "initTimeout", 0.0),
    _seconds("pool", "resourceTimeout", 60.0, low=0.1),
    _seconds("pool", "drainTimeout", 30.0),
    _integer("pool", "maxRestarts", 5, high=1_000_000),
    _seconds("pool", "restartPeriod", 60.0, low=0.1),
    _seconds("pool", "backoffMin", 0.1, low=0.001),
    _seconds("pool", "backoffMax", 30.0, low=0.001),
    _seconds("pool", "stableAfter", 10.0),
    _text("pool", "giveUp", "exit", "exit", "stay", "wait"),
    _switch("pool", "autoMtls", default=False),
    _text("pool", "protocol", "auto", "auto", "1"),
    _seconds("pool", "heartbeat", 1.0, low=0.05),
    _seconds("pool", "hangTimeout", 180.0),
    _integer("pool", "minReady", 1, low=1),
    _integer("pool", "maxRequests", 0),
    _integer("pool", "maxRssMb", 0),
    _integer("pool", "maxResourcesMb", 256, high=1_000_000),
    _seconds("pool", "maxAge", 0.0),
    _switch("pool", "retryOnCrash", default=False),
    Key("pool", "gpus", Kind.LIST, ()),
    Key("pool", "cpus", Kind.LIST, ()),
    _integer("pool", "nice", 0, low=-20, high=19),
    Key("pool", "env", Kind.TABLE, MappingProxyType({})),
    Key("pool", "rlimits", Kind.TABLE, MappingProxyType({})),
)

_HTTP = (
    _seconds("http", "timeout", 120.0, low=0.001),
    _seconds("http", "headerTimeout", 10.0),
    _seconds("http", "idleTimeout", 75.0),
    _integer("http", "maxBodyMb", 64, low=1, high=_MAX_MIB),
    _switch("http", "legacyStatus", default=False),
    _integer("http", "processes", 1, low=1, high=1024),
    _switch("http", "validate", default=False),
)

_BATCH = (
    _integer("batch", "maxSize", 1, low=1, high=MAX_TOGETHER),
    _seconds("batch", "maxDelay", 0.005),
    _integer("batch", "maxBytes", 0),
    _text("batch", "groupBy", ""),
    _switch("batch", "adaptive", default=False),
)

_ADMIN_AND_TLS = (
    _text("admin", "listen", "127.0.0.1:1889"),
    _text("admin", "token", ""),
    _text("tls", "cert", ""),
    _text("tls", "key", ""),
    _text("tls", "clientCa", ""),
)

_WS = (
    _integer("ws", "readTimeout", 15, high=_A_WEEK_S),
    _integer("ws", "sessionTimeout", 180, high=_A_WEEK_S),
)

_LOG = (
    _text("log", "level", None, "debug", "info", "warn", "error", "none"),
    _text("log", "file", "xrpcs.log"),
    _integer("log", "size", 10),
    _integer("log", "count", 10),
    _integer("log", "die", 10),
    _absent("log", "caller", 0, "log lines do not name their line of code"),
    _settled("log", "async", "every line is written at once"),
    _settled("log", "cache", "every line is written at once"),
    _settled("log", "batch", "every line is written at once"),
    _settled("log", "wash", "every line is written at once"),
)

_NO_LOAD_REPORTS = "load is not reported"
_NO_FLUME = "nothing is sent to Flume"
_ABSENT_SECTIONS = (
    _absent("lbv2", "able", 0, _NO_LOAD_REPORTS),
    *_details("lbv2", "sub subsvc lbname lbproject lbgroup cloud apiversion task backend tm"),
    *_details("lbv2", "finderttl findermode host netcard conn-timeout conn-life-cycle conn-retry"),
    *_details("lbv2", "conn-pool-size conn-rbuf conn-wbuf maxreceive lb-mode lb-retry lb-timeout"),
    *_details("lbv2", "keepalive keepalive-timeout time-per-slice win-size probability threshold"),
    *_details("lbv2", "ping taddrs"),
    _absent("lb", "able", 0, _NO_LOAD_REPORTS),
    *_details("lb", "lbStrategy zkList root routerType subRouterTypes redisHost redisPasswd"),
    *_details("lb", "maxActive maxIdle db idleTimeOut"),
    _absent("trace", "able", 0, _NO_FLUME),
    *_details("trace", "host port dump deliver backend buffer batch linger spill spillsize"),
    *_details("trace", "watch watchport bcluster idc loadts"),
    _absent("sonar", "able", 0, _NO_FLUME),
    *_details("sonar", "host port dump deliver backend ds"),
    _absent("metrics", "able", 0, "metrics are not offered through gRPC"),
    *_details("metrics", "idc sub cs timePerSlice winSize"),
    _absent("bvt", "able", 0, "there is no verification at start"),
    *_details("bvt", "service version cfgFile timeout platform id serviceAddress callback"),
    *_details("bvt", "async namespace"),
    _absent("pprof", "able", False, "there is no Go program to profile"),
    *_details("pprof", "host port"),
    _absent("downAsync", "rabHost", "", "results are not published to RabbitMQ"),
    _absent("downAsync", "nrtDBUrl", "", "the state of a task is not reported"),
    *_details("downAsync", "rabUser rabPass rabQueue retry"),
    *_dead("dataProcess", "rsable"),
)

KEYS = {
    (key.section, key.name): key
    for keys in (
        *(_SERVICE, _AIGES, _WRAPPER, _FC, _POOL, _BATCH, _HTTP),
        *(_ADMIN_AND_TLS, _WS, _LOG, _ABSENT_SECTIONS),
    )
    for key in keys
}
SECTIONS = DEAD_SECTIONS | {section for section, _ in KEYS} - {SERVICE}


def known_key(section: str, name: str, *, service: str) -> Key | None:
    """Look up `[section] name` of a file read for `service`."""
    key = KEYS.get((section, name))
    return KEYS.get((SERVICE, name)) if key is None and section == service else key


def names_in(section: str, *, service: str) -> tuple[str, ...]:
    """List the keys that `[section]` may have, apart from the free ones of `[wrapper]`."""
    wanted = (section, SERVICE) if section == service else (section,)
    return tuple(name for inside, name in KEYS if inside in wanted)
