"""The files of the day: asked for, and fetched (dossier 2.2, 2.3).

APIv3 tells where the file lies and its hash; the download is signed by us and not by the channel. v2 answers with the file
itself, and with XML when there is none.
"""

from hashlib import sha256
from urllib.parse import urlsplit

from daozhang.channels.plug import BillLink, NoBill
from daozhang.channels.wechatpay import sign, v3, xml
from daozhang.channels.wechatpay.account import Account
from daozhang.core.ports import Exchange, HttpRequest

_DEADLINE_MS = 60_000
_TRADES = ("ALL", "SUCCESS", "REFUND")
_FLOWS = ("BASIC", "OPERATION", "FEES")


def ask_bill(account: Account, day: str, kind: str, now_ms: int) -> HttpRequest:
    """``kind``: ALL (also empty), SUCCESS, REFUND for trades; BASIC, OPERATION, FEES for an account's movements."""
    kind = kind or "ALL"
    if kind not in (*_TRADES, *_FLOWS):
        raise NoBill("no_such_kind", f"one of {', '.join((*_TRADES, *_FLOWS))}")
    if account.api == "v2":
        return _ask_v2(account, day, kind, now_ms)
    if kind in _FLOWS:
        target = f"/v3/bill/fundflowbill?bill_date={day}&account_type={kind}&tar_type=GZIP"
    else:
        sub = f"&sub_mchid={account.sub_mchid}" if account.sub_mchid else ""
        target = f"/v3/bill/tradebill?bill_date={day}&bill_type={kind}&tar_type=GZIP{sub}"
    return _get(account, target, now_ms)


def _get(account: Account, target: str, now_ms: int) -> HttpRequest:
    nonce = sha256(f"{account.mchid}|{target}|{now_ms}".encode()).hexdigest()[:32]
    return v3.signed(account, "GET", target, "", now_ms, nonce, _DEADLINE_MS)


def _ask_v2(account: Account, day: str, kind: str, now_ms: int) -> HttpRequest:
    flow = kind in _FLOWS
    fields = {"appid": account.appid, "mch_id": account.mchid, "sub_appid": account.sub_appid,
              "sub_mch_id": account.sub_mchid, "bill_date": day.replace("-", ""), "tar_type": "GZIP",
              "account_type" if flow else "bill_type": kind.capitalize() if flow else kind,
              "nonce_str": sha256(f"{account.mchid}|{day}|{kind}|{now_ms}".encode()).hexdigest()[:32]}  # fmt: skip
    way = "HMAC-SHA256" if flow else account.sign_type  # the only one that the movements are given for
    if way != "MD5":
        fields["sign_type"] = way
    fields["sign"] = sign.sign_v2(fields, account.apiv2_key, way)
    headers = (("Content-Type", "text/xml; charset=utf-8"), ("User-Agent", "daozhang"))
    identity = account.identity if account.origin.startswith("https:") else None
    path = "/pay/downloadfundflow" if flow else "/pay/downloadbill"
    return HttpRequest("POST", account.origin + path, headers, xml.written(fields), _DEADLINE_MS, identity)


def read_bill_reply(account: Account, exchange: Exchange) -> BillLink:
    """Raises NoBill, also for what cannot be believed."""
    if exchange.fault is not None:
        raise NoBill(exchange.fault.code, "no answer")
    if account.api == "v2":
        return _file_of_v2(exchange)
    headers = {name.lower(): value for name, value in exchange.headers}
    # No time is known here: what the reply leads to must also have the hash that it tells, and the lines their day.
    why = sign.why_not(account.trusted, headers, exchange.body, None)
    if why == "missing" and exchange.status != 200:
        raise NoBill(f"HTTP_{exchange.status}", "")
    if why:
        raise NoBill("RESPONSE_SIGNATURE_INVALID", why)
    reply = v3.parsed(exchange.body) or {}
    if exchange.status != 200:
        raise NoBill(str(reply.get("code") or f"HTTP_{exchange.status}")[:64], str(reply.get("message") or "")[:256])
    url, digest = reply.get("download_url"), reply.get("hash_value")
    if not isinstance(url, str) or not isinstance(digest, str) or reply.get("hash_type") != "SHA1":
        raise NoBill("HTTP_BODY_UNREADABLE", "no address, or no hash")
    return BillLink(url, digest.lower())


def _file_of_v2(exchange: Exchange) -> BillLink:
    if exchange.status != 200:
        raise NoBill(f"HTTP_{exchange.status}", "")
    if not exchange.body.lstrip().startswith(b"<"):
        return BillLink("", content=exchange.body)
    try:
        reply = xml.read(exchange.body)
    except ValueError:
        raise NoBill("HTTP_BODY_UNREADABLE", "neither a file nor XML") from None
    code = reply.get("error_code") or reply.get("err_code") or "return_code=FAIL"
    raise NoBill(code[:64], (reply.get("return_msg") or reply.get("err_code_des") or "")[:256])


def fetch_bill(account: Account, link: BillLink, now_ms: int) -> HttpRequest | None:
    """Of an address only what stands behind the host is taken: we sign for the account's own host, and for no other."""
    if not link.url:
        return None
    parts = urlsplit(link.url)
    return _get(account, parts.path + (f"?{parts.query}" if parts.query else ""), now_ms)
