"""The viewer works offline: it loads nothing of another host, and says so to the browser."""

import re
import urllib.request
from html.parser import HTMLParser

from tests.conftest import System


def fetch(system: System, path: str) -> tuple[str, dict[str, str]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{system.base_port}{path}") as reply:
        return reply.read().decode(), {name.lower(): value for name, value in reply.headers.items()}


class Assets(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value and tag != "a"]


def test_every_asset_is_ours_and_the_browser_may_ask_nobody_else(system: System) -> None:
    page, headers = fetch(system, "/docs")
    assets = Assets()
    assets.feed(page)
    assert len(assets.found) == 4
    for asset in assets.found:
        assert asset.startswith(("/docs/", "data:")), asset
        if asset.startswith("/"):
            assert len(fetch(system, asset)[0]) > 100
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy and not re.search(r"https?:|\*", policy)
    assert 'lang="zh"' in page and 'lang="en"' in page


def test_the_style_and_our_script_name_no_other_host(system: System) -> None:
    for asset in ("/docs/swagger-ui.css", "/docs/start.js"):
        assert not re.search(r"url\(\s*['\"]?https?:|@import|https?://(?!www\.w3\.org)", fetch(system, asset)[0]), asset
