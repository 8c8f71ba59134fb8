"""WeChat Pay, our side: which of the two wires an account speaks is one of its settings (dossier 2)."""

from typing import Any

from daozhang.channels.plug import BadNotify, Question
from daozhang.channels.wechatpay import v2, v3
from daozhang.channels.wechatpay.account import Account, WrongDoor, open_account
from daozhang.channels.wechatpay.callback import hear, judge, thanks, unseal
from daozhang.channels.wechatpay.certificates import ask_keys, learn_keys
from daozhang.channels.wechatpay.file import ask_bill, fetch_bill, read_bill_reply
from daozhang.core.evidence import Finding
from daozhang.core.ports import Exchange, HttpRequest

__all__ = [
    "Account", "BadNotify", "WrongDoor", "ask_bill", "ask_keys", "describe", "fetch_bill", "hear", "judge", "learn_keys",
    "open_account", "read", "read_bill_reply", "thanks", "unseal", "write",
]  # fmt: skip


_WIRES: dict[str, Any] = {"v3": v3, "v2": v2}


def write(account: Account, question: Question) -> HttpRequest:
    request: HttpRequest = _WIRES[account.api].write(account, question)
    return request


def read(account: Account, question: Question, exchange: Exchange) -> Finding:
    """What the exchange proves about this very order, with the transport's trail."""
    finding: Finding = _WIRES[account.api].read(account, question, exchange)
    return finding.but(trail=exchange.trail)


def describe(message: bytes) -> dict[str, Any] | None:
    """See `daozhang.channels.wechatpay.describe`."""
    from daozhang.channels.wechatpay import describe as pages

    return pages.describe(message)
