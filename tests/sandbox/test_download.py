"""A device's download (F31): cut lines, a power cut, servers that know no ranges or lie; a half is never handed over."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from daozhang.sandbox.device.download import Downloads, Torn

IMAGE = bytes(range(256)) * 500
NAME = hashlib.sha256(IMAGE).hexdigest()


class Server:
    """Gives the image; ``cuts``: after how many bytes each of the next answers breaks off. ``asked``: the ranges asked for."""

    def __init__(self) -> None:
        self.cuts: list[int] = []
        self.asked: list[str | None] = []
        self.ranges, self.image = True, IMAGE
        of = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers["Range"]
                of.asked.append(wanted)
                start = int(wanted[6:-1]) if wanted and of.ranges else 0
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(of.image) - start))
                self.end_headers()
                body = of.image[start:]
                self.wfile.write(body[: of.cuts.pop(0)] if of.cuts else body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/{NAME}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,)).start()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.end()


def test_a_cut_line_goes_on_where_it_broke(server: Server) -> None:
    server.cuts = [64_000, 20_000]
    assert Downloads().image(server.url, NAME) == IMAGE
    assert server.asked == [None, "bytes=64000-", "bytes=84000-"]


def test_a_power_cut_at_half_keeps_what_came_and_hands_over_nothing(server: Server) -> None:
    flash = Downloads(tear=True)
    with pytest.raises(Torn) as torn:
        flash.image(server.url, NAME)
    assert len(IMAGE) // 2 <= torn.value.at < len(IMAGE) == torn.value.of
    assert flash.image(server.url, NAME) == IMAGE and flash.began_at == torn.value.at and flash.parts == {}
    assert server.asked == [None, f"bytes={torn.value.at}-"]


def test_a_server_without_ranges_gives_it_from_the_beginning(server: Server) -> None:
    server.cuts, server.ranges = [50_000], False
    assert Downloads().image(server.url, NAME) == IMAGE


def test_what_is_not_what_was_signed_is_never_handed_over(server: Server) -> None:
    server.image = IMAGE[:-1] + b"!"
    flash = Downloads()
    assert flash.image(server.url, NAME) is None and not any(flash.parts.values())
    server.image = IMAGE
    flash.parts[NAME] = bytearray(b"of another image") * 100
    assert flash.image(server.url, NAME) == IMAGE, "a half that fits to nothing is given up"


def test_a_line_that_always_breaks_is_given_up_for_now_and_gone_on_with_later(server: Server) -> None:
    server.cuts = [16_384] * 4
    flash = Downloads()
    assert flash.image(server.url, NAME) is None and len(flash.parts[NAME]) == 4 * 16_384
    assert flash.image(server.url, NAME) == IMAGE and flash.began_at == 4 * 16_384


def test_a_server_that_is_away_is_later() -> None:
    assert Downloads().image("http://127.0.0.1:9/x", NAME) is None
