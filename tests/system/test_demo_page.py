"""The page at /demo/, in a browser. Without one it is not tested, and conftest.py says so."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.service import LIMIT_S, ROOT, Service

SAMPLE = ROOT / "wrappers" / "stream"
ROUTE = "/v1/private/stream"
TEXT = "Every word is a result of its own. 每个字都是一个结果。"

BOTH = pytest.mark.parametrize("transport", ["websocket", "events"])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("stream")
    (folder / "wrapper.py").write_bytes((SAMPLE / "wrapper.py").read_bytes())
    with Service(folder).ready() as running:
        yield running


@pytest.fixture(scope="module")
def chromium(needs_chromium: None) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not where there is no browser

    with sync_playwright() as playwright:
        # Containers have no user namespaces for its sandbox; it sees nothing but our own page.
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"], timeout=1000 * LIMIT_S
        )
        yield browser
        browser.close()


@contextmanager
def browsing(chromium: Any, service: Service, **context: Any) -> Iterator[Any]:
    """Open the page; nothing may go wrong in it but what the service is asked to fail."""
    problems: list[str] = []
    opened = chromium.new_context(**context)
    try:
        page = opened.new_page()
        page.set_default_timeout(1000 * LIMIT_S)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.goto(f"http://127.0.0.1:{service.http_port}/demo/")
        page.wait_for_selector("body[data-state=idle]")
        yield page
    finally:
        opened.close()
    assert [text for text in problems if "status of 500" not in text] == []


@BOTH
def test_the_page_shows_results_as_they_come(
    chromium: Any, service: Service, transport: str
) -> None:
    with browsing(chromium, service, locale="en-US") as page:
        assert page.inner_text("h1") == f"stream {ROUTE}"
        assert page.input_value("#input-text") == TEXT
        page.fill("#input-text", "one two 三")
        page.fill("#parameter-pause", "1000")
        page.check(f"input[value={transport}]")
        page.click("#send")
        page.wait_for_selector("#output-result:text-is('one')")
        assert page.get_attribute("body", "data-state") == "receiving"
        page.wait_for_selector("body[data-state=ended]")
        assert page.inner_text("#output-result") == "one two 三"
        assert page.inner_text("#state").startswith("Complete: 4 results in ")
        rows = page.locator("#frames tbody tr").all_inner_texts()
        assert [row.split("\t")[1:] for row in rows] == [
            ["result", "1", "0", '"one "'],
            ["result", "2", "1", '"two "'],
            ["result", "3", "1", '"三"'],
            ["result", "4", "2", "0 B"],
        ]
        page.fill("#parameter-pause", "0")
        page.click("#send")  # once more, on a connection of its own
        page.wait_for_selector("#output-result:text-is('one two 三')")
        page.wait_for_selector("body[data-state=ended]")


@BOTH
def test_the_page_shows_the_wrapper_s_error(
    chromium: Any, service: Service, transport: str
) -> None:
    with browsing(chromium, service, locale="zh-CN") as page:
        page.fill("#parameter-pause", "5000")
        page.check(f"input[value={transport}]")
        page.click("#send")
        page.wait_for_selector("body[data-state=failed]")
        said = page.inner_text("#state")
        assert said == "失败，错误码 101：pause is 0 to 1000 milliseconds"
        page.click("#language")
        said = page.inner_text("#state")
        assert said == "Failed with code 101: pause is 0 to 1000 milliseconds"
        assert page.inner_text("#send") == "Send"


@BOTH
def test_the_page_can_stop_a_stream(chromium: Any, service: Service, transport: str) -> None:
    with browsing(chromium, service, locale="en-US") as page:
        page.fill("#input-text", "word " * 1000)
        page.check(f"input[value={transport}]")
        page.click("#send")
        page.wait_for_selector("#output-result")
        page.click("#stop")
        page.wait_for_selector("body[data-state=stopped]")
        assert page.inner_text("#state").startswith("Stopped after ")


def test_the_page_says_that_the_service_has_gone(chromium: Any, tmp_path: Path) -> None:
    (tmp_path / "wrapper.py").write_bytes((SAMPLE / "wrapper.py").read_bytes())
    with Service(tmp_path, pool={"drainTimeout": 0}) as service:
        with browsing(chromium, service.ready(), locale="en-US") as page:
            page.fill("#input-text", "word " * 1000)
            page.click("#send")
            page.wait_for_selector("#output-result")
            service.process.kill()
            page.wait_for_selector("body[data-state=failed]")
            said = page.inner_text("#state")
        assert said == "Failed: the connection ended before the last result (1006)"


def test_the_page_follows_the_reader_s_light_or_dark(chromium: Any, service: Service) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    seen = []
    for scheme in ("light", "dark"):
        with browsing(chromium, service, color_scheme=scheme) as page:
            seen.append(page.evaluate(background))
    assert seen == ["rgb(246, 247, 249)", "rgb(20, 24, 29)"]


def test_the_page_s_files_are_served_and_nothing_beside_them(service: Service) -> None:
    kinds = {"": "text/html", "index.html": "text/html", "demo.css": "text/css"}
    for name, kind in {**kinds, "demo.js": "text/javascript"}.items():
        answer = service.ask("GET", f"/demo/{name}")
        assert (answer.status, answer.headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    moved = service.ask("GET", "/demo")
    assert (moved.status, moved.headers["Location"]) == (301, "/demo/")
    for name in ("other", "../demo_files.py", "%2e%2e/demo_files.py", "demo.js/"):
        assert service.ask("GET", f"/demo/{name}").status == 404
