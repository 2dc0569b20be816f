"""Wrappers as published ones are written run as they are, each in a worker of its own.

Those that take sessions are in test_session_styles.py; what their calls return in
test_worker_calls.py.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aiges_wire.pb import aiges_control_pb2 as control_pb
from support.once_styles import HABITS, IMPORTS, NO_EMBED, RESOURCES, SIGNATURES, Row, wrapper
from support.worker_host import LIMIT_S, SOURCES, WorkerHost, environment

ROWS = {**IMPORTS, **SIGNATURES, **HABITS}
CONFIG = {"common.lic": "4", "requrl": "http://x", "log.level": "info"}


def started(row: Row, folder: Path, version: int = 2) -> WorkerHost:
    (folder / "wrapper.py").write_text(row.source, encoding="utf-8")
    for name, text in row.files.items():
        (folder / name).write_text(text)
    env = environment(version, FULL_MODEL_PATH="/models/m", AIGES_LOG_DIR=str(folder / "log"))
    host = WorkerHost(folder, env=env).connect()
    assert host.init(**CONFIG) == 0, host.stderr.seen
    return host


@pytest.mark.parametrize("name", ROWS)
def test_a_wrapper_of_that_habit_answers_describes_itself_and_leaves(
    name: str, tmp_path: Path
) -> None:
    row = ROWS[name]
    with started(row, tmp_path) as host:
        answer = host.once(tag="the-tag", **row.params)
        found = {item.key: item.data for item in answer.list}
        if row.error is None:
            assert (answer.ret, found) == (0, dict(row.answer))
        else:
            code, words = row.error
            assert answer.ret == code
            assert words in found["aiges.error"].decode()
        assert host.schema("svc")["meta"]["route"].startswith("/")
        assert host.shutdown() == 0


@pytest.mark.parametrize("name", ["params, reqData", "async by usrTag", "async with tag and sid"])
def test_it_does_the_same_under_the_oldest_protocol(name: str, tmp_path: Path) -> None:
    with started(ROWS[name], tmp_path, version=1) as host:
        answer = host.once(tag="the-tag")
        assert (answer.ret, answer.list[0].data) == (0, b"HELLO")


@pytest.mark.parametrize("name", RESOURCES)
def test_resources_are_known_by_the_same_text_when_they_come_and_go(
    name: str, tmp_path: Path
) -> None:
    with started(RESOURCES[name], tmp_path) as host:
        load = control_pb.Resource(id="7", key="adapter", data=b"weights")
        assert host.control.LoadResource(load, timeout=LIMIT_S).code == 0
        assert host.once().list[0].data == b"{'7': b'weights'}"
        gone = control_pb.ResourceId(id="7")
        assert host.control.UnloadResource(gone, timeout=LIMIT_S).code == 0
        assert host.once().list[0].data == b"{}"


TAILS = {
    "2.7 run": "m = Wrapper()\n    m.run()",
    "2.7 run with schema": "m = Wrapper(legacy=False)\n    print(m.schema())\n    m.run()",
    "1 a run of its own, by private members": """
    m = Wrapper(legacy=False)
    m.wrapperInit(m.config)
    m._parse_inputs()
    m._parse_params()
    req = DataListCls()
    req.list = []
    for key, value in m.inputs_test_values.items():
        node = DataListNode()
        node.key, node.data, node.len, node.type = key, value, len(value), 0
        req.list.append(node)
    resp = m.wrapperOnceExec(m.params_test_values, req)
    assert m.check_resp(resp)
""",
}


@pytest.mark.parametrize("files", [{}, NO_EMBED], ids=["embed", "dto"])
@pytest.mark.parametrize("tail", TAILS)
def test_its_own_last_lines_run_it(tail: str, files: dict[str, str], tmp_path: Path) -> None:
    source = f"{wrapper()}\n\nif __name__ == '__main__':\n    {TAILS[tail].strip()}\n"
    (tmp_path / "wrapper.py").write_text(source)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "wrapper.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if "schema" in tail:
        assert json.loads(done.stdout)["meta"]["serviceId"] == "published"
