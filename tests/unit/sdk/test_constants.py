import aiges
import aiges.core.types
import aiges.types
from aiges import errors

EXPECTED = {
    "STRING": 0,
    "AUDIO": 1,
    "IMAGE": 2,
    "VIDEO": 3,
    "DataText": 0,
    "DataAudio": 1,
    "DataImage": 2,
    "DataVideo": 3,
    "DataBegin": 0,
    "DataContinue": 1,
    "DataEnd": 2,
    "DataOnce": 3,
    "Once": 3,
    "THREAD_MODE": "thread",
    "PROCESS_MODE": "process",
    "Types": {0: "text", 1: "audio", 2: "image", 3: "video"},
    "Status": {0: "begin", 1: "continue", 2: "end", 3: "once"},
}


def star_import(module: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(f"from {module} import *", names)
    return {name: value for name, value in names.items() if not name.startswith("__")}


def test_a_star_import_gives_every_constant_and_nothing_else() -> None:
    assert star_import("aiges.core.types") == EXPECTED


def test_the_old_module_name_gives_the_same() -> None:
    assert star_import("aiges.types") == EXPECTED


def test_dto_and_sdk_give_the_constants_too() -> None:
    for module in ("aiges.dto", "aiges.sdk", "aiges_embed"):
        assert EXPECTED.items() <= star_import(module).items(), module


def test_the_error_codes_are_those_of_the_worker_protocol() -> None:
    assert (errors.OK, errors.INIT_ERROR, errors.USER_INIT_ERROR, errors.USER_EXEC_ERROR) == (
        0,
        30001,
        30002,
        30003,
    )
    assert aiges.EXIT_SIG == -1
