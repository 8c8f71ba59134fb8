"""What both wires say of a reply that cannot be believed, and what became of the call below them."""

from hashlib import sha256

from daozhang.channels.alipay.account import Account
from daozhang.channels.keys import Verifier
from daozhang.core.evidence import Finding, Proves
from daozhang.core.faults import Fault, NotSent
from daozhang.core.ports import Exchange


class Unbelieved(Fault):
    """A reply that proves nothing: its code, a hint at the cause, and an alarm where somebody may be lying."""

    def __init__(self, code: str, hint: str = "info.reply_unreadable", alarm: str = "") -> None:
        super().__init__(code)
        self.code, self.hint, self.alarm = code, hint, alarm


def unheard(exchange: Exchange) -> Finding | None:
    """What the transport alone proves; None when there is a reply to be read."""
    if exchange.fault is None:
        return None
    never = isinstance(exchange.fault, NotSent)
    proves, hint = (Proves.NOT_SENT, "us.egress") if never else (Proves.NOTHING, "info.reply_lost")
    return Finding(proves, exchange.fault.code, hint=hint)


def by_status(exchange: Exchange) -> Unbelieved:
    """A status that this wire gives no meaning to."""
    return Unbelieved(
        f"HTTP_{exchange.status}", "platform.maintenance" if exchange.status == 503 else "platform.degraded"
    )


def key_of(account: Account, certificate: str) -> Verifier:
    """The key that must have signed: the one, or that of the certificate whose SN the reply bears. Raises Unbelieved."""
    key = account.alipay_keys.get(certificate if account.sns is not None else "")
    if key is None:
        raise Unbelieved("RESPONSE_CERTIFICATE_UNKNOWN", alarm="signature")
    return key


def text_of(exchange: Exchange) -> str:
    """Raises Unbelieved."""
    try:
        return exchange.body.decode("utf-8")
    except UnicodeDecodeError:
        raise Unbelieved("HTTP_BODY_UNREADABLE") from None


def nothing(why: Unbelieved, exchange: Exchange) -> Finding:
    raw = {"status": exchange.status, "sha256": sha256(exchange.body).hexdigest(), "bytes": len(exchange.body)}
    return Finding(code=why.code, hint=why.hint, alarm=why.alarm, detail=raw)
