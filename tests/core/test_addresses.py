"""The SSRF matrix (A49): every way of writing an inner address is refused, public ones are not."""

import pytest

from daozhang.core.addresses import Forbidden, parse, why_forbidden


@pytest.mark.parametrize("address", [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "169.254.1.1", "100.64.0.1", "100.100.100.200", "192.0.0.192", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
    "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2002:7f00:1::", "2002:a00:1::1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2001:0:7f00:1::1", "2001:db8::1", "192.88.99.1", "2002:808:808::1", "fec0::1", "3fff::1", "64:ff9b:1::1", "::ffff:0:7f00:1",
    "2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "nonsense", "",
])  # fmt: skip
def test_inner_addresses_are_forbidden(address: str) -> None:
    assert why_forbidden(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_called(address: str) -> None:
    assert why_forbidden(address) == ""


@pytest.mark.parametrize("url", [
    "http://example.com/x", "ftp://example.com/", "gopher://example.com/", "file:///etc/passwd", "https://", "https:///x",
    "https://user@example.com/", "https://user:pw@example.com/", "https://a@b@example.com/", "https://exa mple.com/",
    "https://example.com/\r\nX: y", "https://example.com:99999/", "https://example.com:x/", "https://例子.cn/",
    "https://example.com\\@10.0.0.1/", "javascript:alert(1)", "https://[::1", "x" * 3000,
    "https://2130706433/", "https://0177.0.0.1/", "https://0x7f.1/", "https://127.1/", "https://0/", "https://1.2.3.4.5/",
    "https://0x7f000001/", "https://127.0.0.1./", "https://008.8.8.8/", "https://a.example.0x1/",
])  # fmt: skip
def test_what_is_no_live_address(url: str) -> None:
    with pytest.raises(Forbidden) as told:
        parse(url, plain_allowed=False)
    assert told.value.zh and told.value.en


@pytest.mark.parametrize("url", ["https://8.8.8.8/", "https://1.example.com/", "https://0x7f.example/", "https://[2606:4700::1]/", "https://xn--fiq228c.cn/"])
def test_what_is_a_live_address(url: str) -> None:
    assert parse(url, plain_allowed=False).port == 443


def test_an_address_taken_apart() -> None:
    assert parse("https://shop.example.com/a/b?c=1", plain_allowed=False) == ("https", "shop.example.com", 443, "/a/b?c=1")
    assert parse("http://localhost:3000", plain_allowed=True) == ("http", "localhost", 3000, "/")
