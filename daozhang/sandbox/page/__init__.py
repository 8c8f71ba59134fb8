"""The sandbox's page: the channels' books, live, and a payer's phone. Files of ours only; it asks no other host."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FOLDER = Path(__file__).parent
_KINDS = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
                               "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self)",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}  # fmt: skip
FILES = ("page.css", "page.js", "phone.js", "books.js", "words.js", "door.js")


def routes() -> list[Route]:
    """The page and its files, read once. They hold no secret: the control token comes in the address, after ``#``."""

    def serve(name: str, path: str) -> Route:
        file = _FOLDER / name
        body, kind = file.read_bytes(), _KINDS[file.suffix]

        async def run(request: Request) -> Response:
            return Response(body, headers=_HEADERS, media_type=kind)

        return Route(path, run, methods=["GET"])

    return [serve("index.html", "/"), *(serve(name, f"/page/{name}") for name in FILES)]
