"""The page at /demo/ that shows a stream live in a browser: static files of ours."""

from pathlib import Path
from typing import Final

from aiohttp import web

from aiges_loader.frontend.answer_fields import SERVER_NAME

_FOLDER: Final = Path(__file__).parent / "demo_page"
_TYPES: Final = {
    "index.html": "text/html",
    "demo.css": "text/css",
    "demo.js": "text/javascript",
}
# The page asks nobody but this server; its pictures are the service's results.
_FIELDS: Final = {
    "Server": SERVER_NAME,
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
        "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def page(name: str) -> web.StreamResponse | None:
    """Return the file of that name, "" being the page itself; None if there is none."""
    name = name or "index.html"
    if name not in _TYPES:
        return None
    text = (_FOLDER / name).read_text("utf-8")
    return web.Response(text=text, content_type=_TYPES[name], headers=_FIELDS)
