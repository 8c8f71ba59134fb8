"""Pages for people: files of ours only, read once, so that they work without the internet and nothing comes from elsewhere."""

from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_KINDS = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
                               "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # an address may name what it shows
    "Cache-Control": "no-cache",
}  # fmt: skip


def page_routes(folder: Path, files: Mapping[str, str]) -> list[Route]:
    """``files``: each path and the name of its file in the folder."""

    def serve(path: str, file: Path) -> Route:
        body, kind = file.read_bytes(), _KINDS[file.suffix]

        async def run(request: Request) -> Response:
            return Response(body, headers=HEADERS, media_type=kind)

        return Route(path, run, methods=["GET"])

    return [serve(path, folder / name) for path, name in files.items()]
