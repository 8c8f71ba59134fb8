"""Asking for the bill of a day or a month: where it lies, and the fetching of it (dossier 1.2, 1.3)."""

from typing import Any
from urllib.parse import urlsplit

from daozhang.channels.alipay import v2, v3
from daozhang.channels.alipay.account import Account
from daozhang.channels.alipay.envelope import Unbelieved, unheard
from daozhang.channels.alipay.verdict import look_up
from daozhang.channels.plug import BillLink, NoBill
from daozhang.core.ports import Exchange, HttpRequest

METHOD = "alipay.data.dataservice.bill.downloadurl.query"
_KINDS = {"": "trade", "trade": "trade", "fund": "signcustomer", "signcustomer": "signcustomer"}
_ASK_MS, _FETCH_MS = 10_000, 120_000


def ask_bill(account: Account, day: str, kind: str, now_ms: int) -> HttpRequest:
    """``day`` may also be a month (``yyyy-MM``); ``kind``: trade, or fund (signcustomer), the account's own movements."""
    biz = {"bill_type": _KINDS.get(kind, kind), "bill_date": day}
    if account.wire == "v3":
        return v3.write(account, METHOD, biz, now_ms, _ASK_MS, nonce=f"{now_ms:x}{account.app_id}", get=True)
    return v2.write(account, METHOD, biz, now_ms, _ASK_MS)


def read_bill_reply(account: Account, exchange: Exchange) -> BillLink:
    """Where the file lies; it does so for half a minute. Raises NoBill."""
    lost = unheard(exchange)
    if lost is not None:
        raise NoBill(lost.code, "no answer")
    try:
        reply = (v3 if account.wire == "v3" else v2).read(account, METHOD, exchange)
    except Unbelieved as why:
        raise NoBill(why.code, "the answer cannot be believed") from None
    if reply.get("code") != "10000":
        raise _refused(reply)
    url = reply.get("bill_download_url")
    if not isinstance(url, str) or not _may_fetch(account, url):
        raise NoBill("RESPONSE_MISMATCH", "the link leads to a host that is not the channel's")
    return BillLink(_in_tls(account, url))


def _refused(reply: dict[str, Any]) -> NoBill:
    """``code`` without what the gateway may put before it, in the words of the table where it has some."""
    main, sub = str(reply.get("code", ""))[:64], str(reply.get("sub_code", ""))[:64]
    code, row = look_up("bill", *([f"{main}/{sub}", sub.rpartition(".")[2]] if sub else []), main)
    return NoBill(code, str(reply.get("sub_msg") or row.zh or reply.get("msg") or "")[:256])


def _may_fetch(account: Account, url: str) -> bool:
    """A live account fetches from the channel's hosts, a sandbox account from this machine or the channel's sandbox."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https"):
        return False
    if not account.livemode and host in ("127.0.0.1", "localhost", "::1"):
        return True
    return any(host == name or host.endswith(f".{name}") for name in account.bill_hosts)


def _in_tls(account: Account, url: str) -> str:
    return "https" + url[4:] if account.livemode and url.startswith("http:") else url


def fetch_bill(account: Account, link: BillLink, now_ms: int) -> HttpRequest | None:
    """The link is enough; nothing of ours is signed."""
    return HttpRequest("GET", link.url, (("Accept", "*/*"),), b"", _FETCH_MS)
