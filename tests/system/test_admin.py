"""The admin surface of a running service: over HTTP, and by the sub-commands."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.service import ROOT, SOURCES, Answer, Service, config_text
from support.waiting import dies_within, eventually

ECHO = (ROOT / "wrappers" / "echo" / "wrapper.py").read_text()
TOKEN = "open-sesame"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wrapper.py").write_text(ECHO)
    return tmp_path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("admin")
    (folder / "wrapper.py").write_text(ECHO)
    with Service(folder, pool={"workers": 2}).ready() as service:
        service.wait_for("worker ready worker=1")
        service.wait_for("worker ready worker=2")
        yield service


def ask(
    service: Service, method: str, path: str, token: str = "", origin: str | None = None
) -> Answer:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if origin is not None:
        headers["Origin"] = origin
    return service.admin(method, path, headers)


def command(service: Service, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith("AIGES_")}
    admin = f"http://127.0.0.1:{service.admin_port}"
    return subprocess.run(
        [sys.executable, "-m", "aiges_loader", *arguments, "--admin", admin],
        env={**kept, "PYTHONPATH": SOURCES, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def metrics_of(service: Service) -> dict[str, dict[tuple[str, ...], float]]:
    text = ask(service, "GET", "/metrics").body.decode()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_status_tells_of_the_service_and_of_each_worker(shared: Service) -> None:
    assert shared.once().code == 0
    status = ask(shared, "GET", "/status").json
    assert (status["service"], status["state"]) == ("svcName", "ready")
    assert status["pid"] == shared.process.pid
    assert (status["workers_ready"], status["workers_planned"]) == (2, 2)
    assert status["licences"] == {"taken": 0, "limit": 64}
    assert [worker["number"] for worker in status["workers"]] == [1, 2]
    assert sum(worker["served"] for worker in status["workers"]) >= 1
    for worker in status["workers"]:
        command_line = " ".join(psutil.Process(worker["pid"]).cmdline())
        assert "aiges.serve" in command_line
        assert not command_line.startswith("bash")
        assert worker["state"] == "ready"
        assert worker["rss_bytes"] > 10 << 20
        assert worker["cpu_seconds"] > 0
        assert worker["time_to_ready_seconds"] > 0
        assert worker["last_exit"] is None


def test_the_pid_is_the_workers_though_a_shell_stands_before_it(folder: Path) -> None:
    python = f"true && {sys.executable} -m aiges.serve; true"
    with Service(folder, aiges={"pythonPluginCmd": python}).ready() as service:
        (worker,) = ask(service, "GET", "/status").json["workers"]
        assert psutil.Process(worker["pid"]).cmdline()[1:] == ["-m", "aiges.serve"]


def test_metrics_follow_prometheus_conventions_and_count(shared: Service) -> None:
    before = metrics_of(shared)["aiges_requests_total"].get(("0",), 0.0)
    for _ in range(3):
        shared.once()
    shared.ask("POST", "/v1/svcName", b"{")
    found = metrics_of(shared)
    assert found["aiges_requests_total"]["0",] == before + 3
    assert found["aiges_requests_total"]["10000",] >= 1
    total = sum(found["aiges_requests_total"].values())
    assert found["aiges_request_duration_seconds_count"] == {(): total}
    assert found["aiges_request_duration_seconds_bucket"]["+Inf",] == total
    assert found["aiges_requests_in_flight"] == {(): 0.0}
    assert found["aiges_licences_limit"] == {(): 64.0}
    assert found["aiges_workers"]["ready",] == 2
    assert set(found["aiges_worker_resident_memory_bytes"]) == {("1",), ("2",)}
    assert "text/plain" in ask(shared, "GET", "/metrics").headers["Content-Type"]


def test_probes_answer_here_as_well(shared: Service) -> None:
    assert ask(shared, "GET", "/livez").status == 200
    assert ask(shared, "GET", "/readyz").status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/drain", 405),
        ("POST", "/status", 405),
        ("POST", "/logs", 405),
        ("GET", "/console/nothing.js", 404),
        ("POST", "/workers/9/restart", 404),
        ("POST", "/workers/x/restart", 404),
    ],
)
def test_what_is_not_there_is_a_json_error(
    method: str, path: str, status: int, shared: Service
) -> None:
    answer = ask(shared, method, path)
    assert answer.status == status
    assert answer.json["error"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "http://127.0.0.1:1888"}, 403),  # the service's own page is another site too
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Host": "evil.test"}, 403),  # a name that somebody has made to lead here
        ({"Host": "evil.test:1889", "Origin": "http://evil.test:1889"}, 403),
        ({"Host": "127.0.0.1.evil.test"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "text/plain; charset=utf-8"}, 415),
    ],
)
def test_a_page_of_another_site_may_not_act(
    fields: dict[str, str], status: int, shared: Service
) -> None:
    for path in ("/drain", "/reload", "/workers/1/restart"):
        answer = shared.admin("POST", path, fields)
        assert answer.status == status
        assert answer.json["error"]
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert ask(shared, "GET", "/status").json["state"] == "ready"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Content-Type": "application/json"},
        {"Sec-Fetch-Site": "none"},
        {"Host": "localhost:1889"},
        {"Host": "[::1]:1889"},
        {"Host": "127.0.0.1:9", "Origin": "http://127.0.0.1:9", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_who_is_no_page_of_another_site_may_act(fields: dict[str, str], shared: Service) -> None:
    assert shared.admin("POST", "/workers/9/restart", fields).status == 404


def test_pages_of_other_sites_cannot_read_where_there_is_no_token(shared: Service) -> None:
    origin = {"Origin": "http://evil.test"}
    preflight = {**origin, "Access-Control-Request-Method": "GET"}
    assert shared.admin("OPTIONS", "/status", preflight).status == 403
    for path in ("/status", "/logs", "/crashes", "/history", "/metrics"):
        assert "Access-Control-Allow-Origin" not in shared.admin("GET", path, origin).headers
        assert shared.admin("GET", path, {"Host": "evil.test"}).status == 403
    assert shared.admin("GET", "/readyz", {"Host": "evil.test"}).status == 200


def test_pages_of_other_sites_may_do_what_the_token_allows(folder: Path) -> None:
    origin = {"Origin": "http://127.0.0.1:1888", "Sec-Fetch-Site": "same-site"}
    with Service(folder, admin={"token": TOKEN}).ready() as service:
        allowed = service.admin("OPTIONS", "/workers/1/restart", origin)
        assert allowed.status == 204
        assert allowed.headers["Access-Control-Allow-Origin"] == "*"
        assert allowed.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
        assert "Access-Control-Allow-Credentials" not in allowed.headers
        for shown, status in ({}, 401), ({"Authorization": f"Bearer {TOKEN}"}, 200):
            for path in ("/status", "/logs", "/crashes", "/history", "/metrics"):
                answer = service.admin("GET", path, {**origin, **shown})
                assert answer.status == status
                assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert service.admin("POST", "/workers/1/restart", origin).status == 401
        shown = {"Authorization": f"Bearer {TOKEN}", "Host": "admin.example"}
        assert service.admin("POST", "/workers/1/restart", {**origin, **shown}).status == 200


def test_the_newest_log_records_can_be_asked_for(folder: Path) -> None:
    with Service(folder).ready() as service:

        def records(query: str = "") -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = ask(service, "GET", f"/logs{query}").json["records"]
            return found

        # A thread of its own keeps them, soon after they were made.
        eventually(lambda: any(r["text"].startswith("ready routes=") for r in records()))
        page = ask(service, "GET", "/logs").json
        texts = [record["text"] for record in page["records"]]
        assert any(text.startswith("worker ready worker=1") for text in texts)
        assert [record["number"] for record in page["records"]] == list(range(1, page["last"] + 1))
        assert page["missed"] == 0
        two = ask(service, "GET", "/logs?limit=2").json
        assert [record["text"] for record in two["records"]] == texts[-2:]
        assert two["missed"] == page["last"] - 2
        assert ask(service, "GET", f"/logs?after={page['last']}").json["records"] == []
        ask(service, "POST", "/workers/9/restart")
        eventually(lambda: records(f"?after={page['last']}"))
        later = records(f"?after={page['last']}")
        assert later[0]["text"].startswith("admin request from=127.0.0.1 path=/workers/9/restart")
        for query in ("after=x", "limit=-1", "after=", "limit=1e3"):
            answer = ask(service, "GET", f"/logs?{query}")
            assert answer.status == 400
            assert answer.json["error"].startswith(f"{query.partition('=')[0]}: expected")


def test_what_a_worker_writes_is_among_the_records_and_in_the_report_of_its_death(
    tmp_path: Path,
) -> None:
    speaks = ECHO.replace('        node = reqData.get("text")\n', DYING)
    (tmp_path / "wrapper.py").write_text(speaks)
    with Service(tmp_path).ready() as service:
        assert ask(service, "GET", "/crashes").json == {"crashes": []}
        assert service.once(b"die").code == 10109
        service.wait_for("restarting worker=1")
        (crash,) = ask(service, "GET", "/crashes").json["crashes"]
        assert (crash["number"], crash["worker"]) == (1, 1)
        assert (crash["exit"]["cause"], crash["exit"]["exit_status"]) == ("crash", 7)
        assert "last words" in crash["exit"]["tail"]
        assert len(crash["exit"]["calls"]) == 1
        records = ask(service, "GET", "/logs").json["records"]
        said = [record for record in records if record["text"] == "last words"]
        assert [record["worker"] for record in said] == [1]
        assert service.once(b"die").code == 10109
        service.wait_for("restarting worker=1", after=len(service.log))
        numbers = [crash["number"] for crash in ask(service, "GET", "/crashes").json["crashes"]]
        assert numbers == [2, 1]


DYING = """\
        node = reqData.get("text")
        if node.data == b"die":
            import os, sys
            print("last words", file=sys.stderr, flush=True)
            os._exit(7)
"""


def test_history_has_what_charts_need(shared: Service) -> None:
    samples = ask(shared, "GET", "/history").json["samples"]
    status = ask(shared, "GET", "/status").json
    assert 1 <= len(samples) <= 60
    assert set(samples[0]) < set(status)
    assert set(samples[0]["workers"][0]) < set(status["workers"][0])
    assert samples[0]["requests"].keys() == status["requests"].keys()


def test_status_counts_requests_and_says_where_they_are_taken(shared: Service) -> None:
    before = ask(shared, "GET", "/status").json["requests"]
    shared.once()
    status = ask(shared, "GET", "/status").json
    after = status["requests"]
    assert sum(after["by_duration"]) == sum(before["by_duration"]) + 1
    assert after["by_code"]["0"] == before["by_code"].get("0", 0) + 1
    assert len(after["by_duration"]) == len(after["duration_bounds"]) + 1
    assert after["seconds"] > before["seconds"]
    assert status["addresses"]["http"] == f"127.0.0.1:{shared.http_port}"


def test_the_root_leads_to_the_console(shared: Service) -> None:
    moved = ask(shared, "GET", "/")
    assert (moved.status, moved.headers["Location"]) == (301, "/console/")


def test_a_restart_brings_a_new_process_and_counts_as_no_crash(folder: Path) -> None:
    with Service(folder).ready() as service:
        (before,) = ask(service, "GET", "/status").json["workers"]
        codes: list[int] = []
        over = threading.Event()

        def call_all_the_time() -> None:
            while not over.is_set():
                codes.append(service.once().code)

        client = threading.Thread(target=call_all_the_time)
        client.start()
        assert ask(service, "POST", "/workers/1/restart").json == {"restarted": 1}
        over.set()
        client.join()
        service.wait_for(r"worker stopped worker=1 .*")
        (after,) = ask(service, "GET", "/status").json["workers"]
        assert after["pid"] != before["pid"]
        assert after["restarts"] == 0
        assert set(codes) == {0}
        assert dies_within(before["pid"], 5.0)


def test_a_worker_that_stops_first_is_restarted_in_its_place_and_describes_itself_anew(
    folder: Path,
) -> None:
    with Service(folder).ready() as service:
        route = "/v1/private/renamed"
        assert service.ask("POST", route).status == 404
        text = ECHO.replace('serviceId = "svcName"', 'serviceId = "renamed"')
        (folder / "wrapper.py").write_text(text)
        answer = ask(service, "POST", "/workers/1/restart?order=stop-first")
        assert answer.json == {"restarted": 1}
        assert service.once(route=route).code == 0
        assert service.ask("GET", "/openapi.json").json["servers"][0]["url"] == route
        (worker,) = ask(service, "GET", "/status").json["workers"]
        assert worker["restarts"] == 0
        assert ask(service, "POST", "/workers/1/restart?order=both").status == 400


def test_a_service_that_waits_for_a_restart_says_why_it_is_down(folder: Path) -> None:
    (folder / "wrapper.py").write_text(f"nonsense<tag>\n{ECHO}")
    with Service(folder, pool={"giveUp": "wait"}) as service:
        listening = service.wait_for(r"listening http=\S+?:(\d+) .* admin=\S+:(\d+)")
        service.http_port, service.admin_port = int(listening[1]), int(listening[2])
        answer = service.once()
        assert answer.status == 503
        assert answer.message.startswith("no worker is ready: failed: ")
        assert answer.message.endswith("SyntaxError: invalid syntax")
        html = {"Accept": "text/html"}
        page = service.ask("GET", "/", headers=html)
        assert page.status == 503
        assert page.headers["Content-Type"].startswith("text/html")
        assert "nonsense&lt;tag&gt;" in page.body.decode()
        (worker,) = ask(service, "GET", "/status").json["workers"]
        assert worker["state"] == "failed"
        assert worker["restarts"] == 0  # a start that fails is not tried again by itself
        assert worker["last_exit"]["error"].endswith("SyntaxError: invalid syntax")
        refused = ask(service, "POST", "/workers/1/restart?order=stop-first")
        assert refused.status == 500
        assert "worker 1 did not start again" in refused.json["error"]
        (folder / "wrapper.py").write_text(ECHO)
        assert ask(service, "POST", "/workers/1/restart?order=stop-first").status == 200
        assert service.once().code == 0
        assert service.ask("GET", "/", headers=html).status == 302


def test_the_last_exit_is_a_report(folder: Path) -> None:
    with Service(folder).ready() as service:
        pid = service.worker_pid()
        os.kill(pid, signal.SIGKILL)
        service.wait_for("worker died")
        assert service.once().code == 0
        (worker,) = ask(service, "GET", "/status").json["workers"]
        assert worker["restarts"] == 1
        assert worker["last_exit"]["signal"] == "SIGKILL"
        assert worker["last_exit"]["was_ready"] is True
        assert metrics_of(service)["aiges_worker_restarts_total"]


def test_reload_says_how_it_went(folder: Path) -> None:
    with Service(folder).ready() as service:
        (folder / "aiges.toml").write_text(config_text(pool={"workers": 2}))
        assert ask(service, "POST", "/reload").json == {"reloaded": True, "problems": []}
        service.wait_for("worker ready worker=2")
        (folder / "aiges.toml").write_text(config_text(pool={"workers": 0}))
        answer = ask(service, "POST", "/reload")
        assert answer.status == 422
        assert "[pool] workers: expected" in answer.json["problems"][0]
        assert ask(service, "GET", "/status").json["workers_planned"] == 2


def test_drain_ends_the_service_like_sigterm(folder: Path) -> None:
    with Service(folder).ready() as service:
        assert ask(service, "POST", "/drain").status == 202
        assert service.wait() == 0


def test_with_a_token_nobody_else_is_answered(folder: Path) -> None:
    with Service(folder, admin={"token": TOKEN}).ready() as service:
        for token in ("", "wrong", TOKEN + "x"):
            answer = ask(service, "GET", "/status", token)
            assert answer.status == 401
            assert answer.json["error"]
            assert ask(service, "POST", "/drain", token).status == 401
        assert ask(service, "GET", "/status", TOKEN).status == 200
        assert ask(service, "GET", "/livez").status == 200
        assert command(service, "status").returncode == 1
        assert command(service, "status", "--token", TOKEN).returncode == 0
        assert command(service, "status", AIGES_ADMIN_TOKEN=TOKEN).returncode == 0


def test_a_busy_admin_port_ends_only_a_start_that_asked_for_it(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with Service(folder, admin={"listen": f"127.0.0.1:{port}"}) as service:
            assert service.wait() == 1
            assert f"cannot listen on 127.0.0.1:{port} for admin" in service.log[-1]


def test_it_can_be_switched_off(folder: Path) -> None:
    with Service(folder, admin={"listen": ""}).ready() as service:
        assert service.admin_port == 0
        assert service.once().code == 0


def test_status_for_people_and_for_machines(shared: Service) -> None:
    for_people = command(shared, "status", COLUMNS="100")
    assert for_people.returncode == 0, for_people.stderr
    assert "svcName" in for_people.stdout
    assert len(re.findall(r"\bready\b", for_people.stdout)) >= 3
    assert max(len(line) for line in for_people.stdout.splitlines()) <= 100
    value: Any = json.loads(command(shared, "status", "--json").stdout)
    assert [worker["number"] for worker in value["workers"]] == [1, 2]


def test_the_commands_act(folder: Path) -> None:
    with Service(folder).ready() as service:
        pid = service.worker_pid()
        assert "worker 1 restarted" in command(service, "restart", "1").stdout
        assert service.worker_pid() != pid
        assert "worker 1 restarted" in command(service, "restart", "1", "--stop-first").stdout
        assert command(service, "restart", "7").returncode == 1
        assert "reloaded" in command(service, "reload").stdout
        assert "draining" in command(service, "drain").stdout
        assert service.wait() == 0
        done = command(service, "status")
        assert done.returncode == 1
        assert "--admin" in done.stderr


def test_the_newest_log_records_on_a_terminal(shared: Service) -> None:
    shown = command(shared, "logs", "-n", "50")
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^\d\d:\d\d:\d\d INFO    worker ready worker=1 pid=\d+$", shown.stdout, re.M)
    assert len(command(shared, "logs", "-n", "1").stdout.splitlines()) == 1
    value: Any = json.loads(command(shared, "logs", "--json").stdout)
    assert value["last"] >= len(value["records"]) > 1


def test_each_worker_gets_its_share_of_the_machine_and_a_reload_deals_anew(folder: Path) -> None:
    """H4: what [pool] env says wins over what the supervisor was given."""
    allowed = sorted(os.sched_getaffinity(0))
    every = ",".join(map(str, allowed))
    pool = {"workers": 2, "gpus": ["0", "1,2"], "cpus": [str(allowed[0]), every]}
    overrides = {"AIGES__POOL__ENV": "{ OMP_NUM_THREADS = 1 }", "AIGES__POOL__NICE": "2"}
    inherited = {"OMP_NUM_THREADS": "64"}
    with Service(folder, pool=pool, env=inherited | overrides).ready() as service:
        service.wait_for("worker ready worker=1")
        service.wait_for("worker ready worker=2")
        first, second = ask(service, "GET", "/status").json["workers"]
        assert (first["gpus"], first["cpus"]) == ("0", allowed[:1])
        assert (second["gpus"], second["cpus"]) == ("1,2", allowed)
        for worker in (first, second):
            process = psutil.Process(worker["pid"])
            environ = process.environ()
            assert environ["AIGES_WORKER_NUMBER"] == str(worker["number"])
            assert environ["CUDA_VISIBLE_DEVICES"] == worker["gpus"]
            assert environ["OMP_NUM_THREADS"] == "1"
            assert process.cpu_affinity() == worker["cpus"]
            assert process.nice() == os.nice(0) + 2
        (folder / "aiges.toml").write_text(config_text(pool={"workers": 1, "gpus": ["7"]}))
        assert ask(service, "POST", "/reload").status == 200
        pids = [worker["pid"] for worker in ask(service, "GET", "/status").json["workers"]]
        assert psutil.Process(pids[-1]).environ()["CUDA_VISIBLE_DEVICES"] == "7"


def test_what_the_machine_refuses_a_worker_is_named_by_its_key(folder: Path) -> None:
    overrides = {"AIGES__POOL__RLIMITS": "{ nofile = 1000000000000 }"}
    with Service(folder, env=overrides) as service:
        assert service.wait() == 1
        assert "[pool] rlimits, nofile: Operation not permitted" in "\n".join(service.log)
