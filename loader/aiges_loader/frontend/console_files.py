"""The console at /console/: static files of ours, the same on the public and on the admin port."""

from enum import StrEnum
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import web

from aiges_loader.frontend.answer_fields import SERVER_NAME

ROOT: Final = "/console/"

_FOLDER: Final = Path(__file__).parent / "console_page"
_INDEX: Final = "index.html"
_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
# Scripts and styles are these files and nothing else. Where it may connect cannot be narrower: on
# the public port an operator names the address of the admin port, and the other way round.
_FIELDS: Final = {
    "Server": SERVER_NAME,
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src blob:; connect-src 'self' http: https: ws: wss:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_MARK: Final = 'data-port="service"'
"""How the page's file says who serves it; on the admin port it is told otherwise."""


class Port(StrEnum):
    """Which of our ports serves the page."""

    SERVICE = "service"
    ADMIN = "admin"


def page(path: str, port: Port) -> web.Response | None:
    """Return what a GET of `path`, decoded, gets; None if it is no path of the console's."""
    if path == ROOT.removesuffix("/"):
        headers = {"Location": ROOT, "Server": SERVER_NAME}
        return web.Response(status=HTTPStatus.MOVED_PERMANENTLY, headers=headers)
    if not path.startswith(ROOT):
        return None
    name = path.removeprefix(ROOT) or _INDEX
    if name not in _names():
        return None
    text = (_FOLDER / name).read_text("utf-8")
    if name == _INDEX:
        text = text.replace(_MARK, f'data-port="{port}"')
    return web.Response(text=text, content_type=_TYPES[Path(name).suffix], headers=_FIELDS)


@cache
def _names() -> frozenset[str]:
    return frozenset(path.name for path in _FOLDER.iterdir() if path.suffix in _TYPES)
