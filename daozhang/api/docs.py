"""The API's document for people, at ``/docs``: files of ours only, so that it works without the internet."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FOLDER = Path(__file__).parent / "viewer"
_KINDS = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_HEADERS = {
    # Everything comes from here and nowhere else.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
                               "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}  # fmt: skip


def routes() -> list[Route]:
    """The page and its files, read once."""

    def serve(name: str, path: str) -> Route:
        file = _FOLDER / name
        body, kind = file.read_bytes(), _KINDS[file.suffix]

        async def run(request: Request) -> Response:
            return Response(body, headers={**_HEADERS, "Cache-Control": "no-cache"}, media_type=kind)

        return Route(path, run, methods=["GET"])

    files = ("page.css", "page.js", "model.js", "words.js")
    return [serve("index.html", "/docs"), *(serve(name, f"/docs/{name}") for name in files)]
