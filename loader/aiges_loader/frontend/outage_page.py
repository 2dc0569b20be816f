"""What a browser shows its author while the wrapper does not start: why, until it does."""

from html import escape
from http import HTTPStatus
from typing import Final

from aiohttp import web

from aiges_loader.frontend.answer_fields import SERVER_NAME

RETRY_S: Final = 1
"""How often the page looks whether the wrapper starts by now."""

_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta http-equiv="refresh" content="{retry_s}">
  <title>the wrapper does not start</title>
</head>
<body>
  <h1>wrapper 启动失败 / The wrapper does not start</h1>
  <pre>{outage}</pre>
  <p>修改并重启后，本页自动更新。 This page goes on by itself once it starts.</p>
</body>
</html>
"""


def is_wanted(request: web.BaseRequest) -> bool:
    """Say whether a person looks at the answer, rather than a program."""
    return request.method == "GET" and "text/html" in request.headers.get("Accept", "")


def page(outage: str) -> web.Response:
    """Return the page.

    Args:
        outage: Why there is no worker, in lines: a traceback for example.
    """
    return web.Response(
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        text=_PAGE.format(retry_s=RETRY_S, outage=escape(outage)),
        content_type="text/html",
        headers={"Server": SERVER_NAME},
    )
