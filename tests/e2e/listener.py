"""A shop's address for callbacks, for the stories of SDKs: it keeps what came and answers 204, or v2's words to XML."""

import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

_TAKEN = b"<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>"


class Listener(http.server.BaseHTTPRequestHandler):
    got: list[tuple[dict[str, str], bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((dict(self.headers.items()), body))
        words = _TAKEN if body.startswith(b"<") else b""
        self.send_response(200 if words else 204)
        if words:
            self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, *words: Any) -> None:
        """Quiet."""


def listening() -> Iterator[str]:
    """Its address, until the test is over."""
    Listener.got = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/notify"
    server.shutdown()


def heard(count: int) -> list[tuple[dict[str, str], bytes]]:
    end = time.monotonic() + 20
    while len(Listener.got) < count and time.monotonic() < end:
        time.sleep(0.1)
    return Listener.got
