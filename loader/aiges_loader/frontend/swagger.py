"""Swagger UI at /swagger/: the page is ours, its scripts come from the swagger-ui-py package."""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Final

from aiohttp import web

from aiges_loader.frontend.answer_fields import SERVER_NAME

# No validator badge and no fonts: the page asks nobody but this server.
_INDEX: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>aiges-loader</title>
  <link rel="stylesheet" href="swagger-ui.css">
  <link rel="icon" href="favicon-32x32.png">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="swagger-ui-bundle.js"></script>
  <script>
    SwaggerUIBundle({
      url: "/openapi.json",
      dom_id: "#swagger-ui",
      validatorUrl: null,
      deepLinking: true,
    });
  </script>
</body>
</html>
"""


def page(name: str) -> web.StreamResponse:
    """Return the file of that name, or upstream's 404 for anything else."""
    if name == "index.html":
        return web.Response(text=_INDEX, content_type="text/html", headers={"Server": SERVER_NAME})
    if name in _files():
        return web.FileResponse(_folder() / name, headers={"Server": SERVER_NAME})
    return web.Response(status=404, text="Not Found", headers={"Server": SERVER_NAME})


@cache
def _folder() -> Path:
    # Found without importing the package, which would load template engines.
    spec = importlib.util.find_spec("swagger_ui")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("swagger-ui-py is not installed")
    return Path(spec.submodule_search_locations[0]) / "static"


@cache
def _files() -> frozenset[str]:
    return frozenset(path.name for path in _folder().iterdir() if path.is_file())
