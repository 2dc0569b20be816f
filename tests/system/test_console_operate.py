"""The console's view for operators, in a browser: on the admin port, and from the public one."""

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.browsing import PICTURES, browsing, picture
from support.service import LIMIT_S, ROOT, Service, config_text
from support.waiting import dies_within

ECHO = (ROOT / "wrappers" / "echo" / "wrapper.py").read_text()
TALKING = ECHO.replace(
    '        node = reqData.get("text")\n',
    '        node = reqData.get("text")\n        print("echoing", len(node.data), flush=True)\n'
    '        callback_metric("", "letters", len(node.data))\n',
).replace("import DataListCls,", "import DataListCls, callback_metric,")
TOKEN = "open-sesame"
CONNECTED = "#operate[data-connected=yes]"
ASKING = "#operate[data-connected=no] #connect"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wrapper.py").write_text(TALKING)
    return tmp_path


@contextmanager
def two_workers(folder: Path, **sections: Any) -> Iterator[Service]:
    with Service(folder, pool={"workers": 2}, **sections).ready() as service:
        service.wait_for("worker ready worker=1")
        service.wait_for("worker ready worker=2")
        yield service


@contextmanager
def calls(service: Service) -> Iterator[list[int]]:
    """Make calls all the time; yield their codes, which go on being added."""
    codes: list[int] = []
    over = threading.Event()

    def call() -> None:
        while not over.wait(0.002):
            codes.append(service.once().code)

    client = threading.Thread(target=call)
    client.start()
    try:
        yield codes
    finally:
        over.set()
        client.join(LIMIT_S)


def row(page: Any, number: int) -> dict[str, str]:
    names = ["number", "state", "pid", "for", "calls", "served", "restarts", "memory", "cpu"]
    cells = page.locator(f"#workers tr[data-worker='{number}'] > *").all_inner_texts()
    return dict(zip(names, cells, strict=False))


def connect(page: Any, token: str, address: str = "") -> None:
    if address:
        page.fill("#admin-address", address)
    page.fill("#admin-token", token)
    page.click("#connect-button")


def test_a_worker_that_is_killed_is_seen_to_die_and_to_come_back(
    chromium: Any, folder: Path
) -> None:
    with (
        two_workers(folder) as service,
        browsing(chromium, service.admin_port, "operate", waits_for=CONNECTED) as page,
    ):
        assert page.inner_text("#operate-title") == "svcName"
        assert page.inner_text("#crashes") == "No worker has died."
        victim = row(page, 2)
        assert victim["state"] == "ready"
        assert re.fullmatch(r"\d+ MiB", victim["memory"].replace(".", ""))
        service.once()
        os.kill(int(victim["pid"]), signal.SIGKILL)
        page.wait_for_selector("#workers tr[data-worker='2'] td.warn:text-is('1')")
        page.wait_for_selector("#workers tr[data-worker='2'][data-state=ready]")
        assert row(page, 2)["pid"] != victim["pid"]
        page.wait_for_selector("#crashes details")
        crash = page.inner_text("#crashes details")
        assert "worker 2" in crash
        assert "killed by SIGKILL" in crash
        assert "it took calls" in crash
        page.wait_for_selector(".line.warning:has-text('worker died worker=2')")


def test_charts_and_tiles_follow_what_happens(chromium: Any, folder: Path) -> None:
    with (
        two_workers(folder) as service,
        calls(service) as codes,
        browsing(chromium, service.admin_port, "operate", waits_for=CONNECTED) as page,
    ):
        shown = "[...document.querySelectorAll('#tiles dd')].map((node) => node.textContent)"
        page.wait_for_function(f"() => /^[1-9]/.test({shown}[1])")
        ready, requests, latency, *_ = page.evaluate(shown)
        assert ready == "2 / 2"
        assert requests.endswith("/s")
        assert latency.endswith("ms")
        for place in range(4):  # two samples make a line
            drawn = f".chart:nth-child({place + 1}) path.series"
            page.wait_for_function(
                "(chosen) => /^M.*L/.test(document.querySelector(chosen)?.getAttribute('d'))",
                arg=drawn,
            )
        page.hover(".chart:nth-child(1) svg")
        page.wait_for_selector(".chart:nth-child(1) line.cursor", state="attached")
    assert set(codes) == {0}


def test_what_user_code_reports_is_shown(chromium: Any, folder: Path) -> None:
    with (
        Service(folder).ready() as service,
        browsing(chromium, service.admin_port, "operate", waits_for=CONNECTED) as page,
    ):
        assert not page.is_visible("#usage")
        service.once()
        page.wait_for_selector("#usage dt:text-is('letters') + dd:text-is('5')")


def test_the_log_can_be_narrowed_down(chromium: Any, folder: Path) -> None:
    with (
        two_workers(folder) as service,
        browsing(chromium, service.admin_port, "operate", waits_for=CONNECTED) as page,
    ):
        service.once()
        page.wait_for_selector(".line:has-text('echoing 5')")
        page.select_option("#log-worker", "0")
        page.wait_for_function(
            "() => !document.querySelector('#log').textContent.includes('echoing')"
        )
        page.select_option("#log-worker", "")
        page.fill("#log-text", "worker ready")
        page.wait_for_function("() => document.querySelectorAll('#log .line').length === 2")
        page.select_option("#log-level", "error")
        assert page.inner_text("#log") == "Nothing that fits."


def test_latencies_are_read_from_the_classes_of_durations(chromium: Any, folder: Path) -> None:
    """Evenly within its class, as Prometheus does it; what is beyond the last counts as that."""
    quantile = """([share, counts]) => import('/console/traffic.js')
      .then(({ quantile }) => quantile(share, counts, [1, 2, 4]))"""
    with (
        Service(folder).ready() as service,
        browsing(chromium, service.admin_port, "operate", waits_for=CONNECTED) as page,
    ):
        for share, counts, expected in (
            (0.5, [10, 0, 0, 0], 0.5),
            (0.5, [0, 10, 0, 0], 1.5),
            (0.95, [90, 0, 10, 0], 3.0),
            (0.9, [90, 0, 10, 0], 1.0),
            (0.5, [0, 0, 0, 3], 4.0),
            (0.5, [0, 0, 0, 0], None),
        ):
            assert page.evaluate(quantile, [share, counts]) == pytest.approx(expected)


def test_history_is_there_when_the_page_is_opened(chromium: Any, folder: Path) -> None:
    with Service(folder).ready() as service:
        moments = (
            "performance.getEntriesByType('resource').filter((it) => /history$/.test(it.name))"
        )
        with browsing(chromium, service.admin_port, "operate", waits_for=CONNECTED) as page:
            page.wait_for_function(f"() => {moments}.length === 1")
            # One moment is kept at the start, one status came since: that makes a first point.
            page.wait_for_function("() => document.querySelectorAll('.legend .entry').length >= 4")


def test_what_operators_do_is_done_and_no_call_is_lost(chromium: Any, folder: Path) -> None:
    with (
        two_workers(folder) as service,
        calls(service) as codes,
        browsing(chromium, service.admin_port, "operate", waits_for=CONNECTED) as page,
    ):
        before = {number: row(page, number)["pid"] for number in (1, 2)}
        page.click("[data-restart='1']")
        page.wait_for_selector("#notice.good:has-text('Worker 1 has been replaced')")
        assert dies_within(int(before[1]), 10.0)
        assert psutil.pid_exists(int(before[2]))
        page.click("#restart-all")
        page.wait_for_selector("#notice.good:has-text('Worker 2 has been replaced')")
        assert dies_within(int(before[2]), 10.0)
        (folder / "aiges.toml").write_text(config_text(pool={"workers": 3}))
        page.click("#reload")
        page.wait_for_selector("#notice.good:has-text('configuration as it now is')")
        page.wait_for_selector("#workers tr[data-worker='3'][data-state=ready]")
        (folder / "aiges.toml").write_text(config_text(pool={"workers": 0}))
        page.click("#reload")
        page.wait_for_selector("#notice.bad:has-text('[pool] workers: expected')")
    assert set(codes) == {0}


def test_a_drain_is_asked_twice(chromium: Any, folder: Path) -> None:
    with (
        Service(folder).ready() as service,
        browsing(chromium, service.admin_port, "operate", waits_for=CONNECTED) as page,
    ):
        page.click("#drain")
        assert page.evaluate("document.activeElement.value") == "cancel"
        page.keyboard.press("Escape")
        page.wait_for_selector("#drain-dialog", state="hidden")
        assert service.admin("GET", "/status").json["state"] == "ready"
        page.click("#drain")
        page.click("#drain-dialog [value=drain]")
        assert service.wait() == 0
        page.wait_for_selector("#connect-problem:visible")
        assert page.inner_text("#service-state") == "unknown"


def test_with_a_token_the_console_asks_for_it_and_keeps_it_in_this_tab(
    chromium: Any, folder: Path
) -> None:
    with (
        Service(folder, admin={"token": TOKEN}).ready() as service,
        browsing(chromium, service.admin_port, "operate", waits_for=ASKING) as page,
    ):
        assert not page.is_visible("#admin-address")
        connect(page, "wrong")
        page.wait_for_selector("#connect-problem:visible")
        assert page.inner_text("#connect-problem p") == "The token is missing or wrong."
        connect(page, TOKEN)
        page.wait_for_selector(CONNECTED)
        page.click("[data-restart='1']")
        page.wait_for_selector("#notice.good")
        page.reload()
        page.wait_for_selector(CONNECTED)
        stored = page.evaluate("[JSON.stringify(localStorage), document.cookie]")
        assert TOKEN not in "".join(stored)
        page.click("#disconnect")
        page.wait_for_selector(ASKING)
        assert TOKEN not in page.evaluate("JSON.stringify(sessionStorage)")
        page.reload()
        page.wait_for_selector(ASKING)


def test_from_the_public_port_an_operator_names_address_and_token(
    chromium: Any, folder: Path
) -> None:
    with (
        Service(folder, admin={"token": TOKEN}).ready() as service,
        browsing(chromium, service.http_port, "operate", waits_for=ASKING) as page,
    ):
        connect(page, TOKEN, "localhost:99999")
        page.wait_for_selector("#connect-problem:has-text('localhost:99999 is no address')")
        connect(page, TOKEN, f"127.0.0.1:{service.admin_port}")
        page.wait_for_selector(CONNECTED)
        page.click("[data-restart='1']")
        page.wait_for_selector("#notice.good")
        page.wait_for_selector(".line:has-text('admin request')")


def test_without_a_token_the_public_page_leads_to_the_admin_port(
    chromium: Any, folder: Path
) -> None:
    problems: list[str] = []
    with Service(folder).ready() as service:
        address = f"http://127.0.0.1:{service.admin_port}"
        opened = chromium.new_context(locale="en-US")
        try:
            page = opened.new_page()  # the browser itself says loudly that it may not read this
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(f"http://127.0.0.1:{service.http_port}/console/#operate")
            connect(page, "anything", address)
            page.wait_for_selector("#connect-problem a:visible")
            assert page.inner_text("#connect-problem a") == f"{address}/console/#operate"
            page.click("#connect-problem a")
            page.wait_for_selector(CONNECTED)
            page.click("#to-try")
            page.click("#send")  # the console on the admin port makes calls as well
            page.wait_for_selector("#result[data-state=done]")
            assert page.inner_text("#output-result") == "hello"
        finally:
            opened.close()
    assert problems == []


def test_operators_have_their_picture_in_both_themes_and_languages(
    chromium: Any, folder: Path
) -> None:
    steps = 7 if PICTURES else 1  # two seconds each
    with two_workers(folder) as service, calls(service):
        os.kill(service.worker_pid(), signal.SIGKILL)
        service.wait_for("restarting worker=")
        for scheme, locale in (("light", "en-US"), ("dark", "zh-CN")):
            context = {"color_scheme": scheme, "locale": locale}
            size = {"width": 1280, "height": 1000}
            with browsing(
                chromium,
                service.admin_port,
                "operate",
                waits_for=CONNECTED,
                viewport=size,
                **context,
            ) as page:
                page.wait_for_selector("#crashes details")
                title = {"en-US": "Workers", "zh-CN": "工作进程"}[locale]
                assert page.inner_text("#workers-title") == title
                page.wait_for_function(
                    f"() => /(L.*){{{steps}}}/"
                    ".test(document.querySelector('.series')?.getAttribute('d'))"
                )
                picture(page, f"console-operate-{scheme}")


@pytest.mark.parametrize("width", [360, 768])
def test_nothing_is_wider_than_the_screen(width: int, chromium: Any, folder: Path) -> None:
    size = {"width": width, "height": 740}
    with (
        two_workers(folder) as service,
        browsing(
            chromium, service.admin_port, "operate", waits_for=CONNECTED, viewport=size
        ) as page,
    ):
        page.wait_for_selector("#log .line")
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1]
