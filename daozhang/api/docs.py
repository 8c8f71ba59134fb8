"""The API's document for people, at ``/docs``."""

from pathlib import Path

from starlette.routing import Route

from daozhang.api.pages import page_routes

_FOLDER = Path(__file__).parent / "viewer"


def routes() -> list[Route]:
    return page_routes(_FOLDER, {"/docs": "index.html", **{f"/docs/{name}": name for name in ("page.css", "page.js", "model.js", "words.js")}})
