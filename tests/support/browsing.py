"""A browser that looks at the console; nothing may go wrong in it unnoticed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.service import LIMIT_S

PICTURES = os.environ.get("AIGES_CONSOLE_PICTURES", "")
"""Folder that pictures of the console go to, docs/images for instance; "": none are taken."""

EXPECTED = ("Failed to load resource",)
"""How the browser reports an answer that is no success; tests look at what the page says of it."""


@contextmanager
def chromium_browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not where there is no browser

    with sync_playwright() as playwright:
        # Containers have no user namespaces for its sandbox; it sees nothing but our own page.
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
            timeout=1000 * LIMIT_S,
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def browsing(
    chromium: Any, port: int, view: str = "try", *, waits_for: str = "", **context: Any
) -> Iterator[Any]:
    """Open the console on `port` and wait for a selector: the form, unless one is named."""
    problems: list[str] = []
    opened = chromium.new_context(**{"locale": "en-US", **context})
    try:
        page = opened.new_page()
        page.set_default_timeout(1000 * LIMIT_S)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.goto(f"http://127.0.0.1:{port}/console/#{view}")
        page.wait_for_selector(waits_for or "body[data-ready=yes]")
        yield page
    finally:
        opened.close()
    unexpected = [text for text in problems if not text.startswith(EXPECTED)]
    assert not unexpected, unexpected


def picture(page: Any, name: str) -> None:
    """Keep a picture of what is seen, where pictures are wanted."""
    if PICTURES:
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        page.screenshot(path=Path(PICTURES) / f"{name}.png")
