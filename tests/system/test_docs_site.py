"""The pages that are made of the documents: without a warning, complete, alone.

Without mkdocs they are not tested, and conftest.py says so.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urljoin

import pytest

from support.service import LIMIT_S, ROOT

BUILD_LIMIT_S = 120
LANGUAGES: Mapping[str, str] = {"mkdocs.yml": "", "mkdocs.zh.yml": "zh"}
CONFIGS = ROOT / "scripts" / "docs_site"

LOADED = re.compile(
    r"""<(?:script|img)[^>]+src="([^"]+)"|<link[^>]+href="([^"]+)"|url\(["']?([^"')]+)"""
)
"""What a browser fetches by itself for a page or a style sheet."""


@pytest.fixture(scope="module")
def site(needs_mkdocs: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    for config, place in LANGUAGES.items():
        options = [
            "--strict",
            "--config-file",
            str(CONFIGS / config),
            "--site-dir",
            str(folder / place),
        ]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", *options],
            cwd=ROOT,
            env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
            capture_output=True,
            text=True,
            timeout=BUILD_LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "WARNING" not in done.stdout + done.stderr
    return folder


def pages(folder: Path) -> dict[str, str]:
    """Return each page's text, by the place of its file."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted(folder.rglob("*.html"))
    }


def test_every_document_is_a_page_in_both_languages(site: Path) -> None:
    names = {path.name.removesuffix(".md") for path in (ROOT / "docs").glob("*.md")}
    for name in {name for name in names if "." not in name} - {"index"}:
        for place in LANGUAGES.values():
            text = (site / place / name / "index.html").read_text("utf-8")
            assert f'<html lang="{place or "en"}"' in text


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    fetched = {
        found
        for path in [*site.rglob("*.html"), *site.rglob("*.css")]
        for groups in LOADED.findall(path.read_text("utf-8"))
        for found in groups
        if found
    }
    assert {name.rpartition(".")[2] for name in fetched} >= {"css", "js", "png"}
    assert [found for found in fetched if re.match(r"(?:https?:)?//", found)] == []


def test_each_page_leads_to_the_same_one_in_the_other_language(site: Path) -> None:
    for place, text in pages(site).items():
        if place.endswith("404.html"):
            continue
        links = re.findall(r'<a href="([^"]+)" hreflang="(\w+)"', text)
        targets = {language: urljoin(f"/{place}", link) for link, language in links}
        here = place.removesuffix("index.html").removeprefix("zh/")
        assert targets == {"en": f"/{here}", "zh": f"/zh/{here}"}


@pytest.mark.parametrize(
    ("place", "word", "page"),
    [("", "hangTimeout", "supervision/"), ("zh", "\u200b授权\u200b", "error-codes/")],
)
def test_both_languages_can_be_searched(site: Path, place: str, word: str, page: str) -> None:
    index = json.loads((site / place / "search" / "search_index.json").read_text("utf-8"))
    found = {
        entry["location"].partition("#")[0] for entry in index["docs"] if word in entry["text"]
    }
    assert page in found


def test_links_of_the_repository_lead_somewhere_on_the_site(site: Path) -> None:
    text = (site / "zh" / "deploy" / "index.html").read_text("utf-8")
    assert 'href="../files/deploy/Dockerfile"' in text
    shown = (site / "zh" / "files" / "deploy" / "Dockerfile").read_bytes()
    assert shown == (ROOT / "deploy" / "Dockerfile").read_bytes()
    sample = (site / "samples" / "stream" / "index.html").read_text("utf-8")
    assert 'href="../../sessions/"' in sample


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Serve the pages on a free port."""
    handler = partial(QuietHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(LIMIT_S)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.mark.parametrize(
    ("place", "invitation", "words", "title"),
    [
        ("/", "Type to start searching", "hangTimeout", "Supervision"),
        ("/zh/", "键入以开始搜索", "授权 排队", "配置"),
    ],
)
def test_the_search_finds_pages_of_its_language_and_asks_nobody_else(  # noqa: PLR0917 - fixtures
    chromium: Any, address: str, place: str, invitation: str, words: str, title: str
) -> None:
    context = chromium.new_context(locale="en-US")
    try:
        page = context.new_page()
        page.set_default_timeout(1000 * LIMIT_S)
        asked: list[str] = []
        failed: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: failed.append(message.text))
        page.goto(f"{address}{place}")
        page.wait_for_selector(f".md-search-result :text-is('{invitation}')", state="attached")
        page.fill("input.md-search__input", words)
        page.press("input.md-search__input", "End")  # the theme listens to keys
        page.wait_for_selector(f".md-search-result h1:has-text('{title}')")
        assert failed == []
        assert [url for url in asked if not url.startswith(("data:", address))] == []
    finally:
        context.close()
