"""Accounts, vectors and replies signed by another author's hands, for the tests of this channel."""

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from daozhang.channels.plug import Question
from daozhang.channels.shelf import Shelf
from daozhang.channels.wechatpay import wire
from daozhang.core.evidence import Op
from daozhang.core.payment import Payment
from daozhang.core.ports import AccountRow, Exchange
from daozhang.core.refund import Refund, RefundKind
from daozhang.sim.every import START_MS, new_payment

VECTORS = Path(__file__).parents[2] / "vectors"
KEYS = VECTORS / "keys"
NAMES: dict[str, str] = json.loads((KEYS / "keys.json").read_text())
MERCHANT_KEY = (KEYS / "wx_mch_private_pkcs8.pem").read_text()
PUBLIC_PRIVATE = (KEYS / "wx_pubkeymode_private_pkcs8.pem").read_text()
PLATFORM_PRIVATE = (KEYS / "wx_platform_private_pkcs8.pem").read_text()
PLATFORM_CERTIFICATE = (KEYS / "wx_platform_cert.pem").read_text()
WECHAT = Shelf.look().get("wechat")
assert WECHAT is not None
PUBLIC_MODE = {"public_key": (KEYS / "wx_pubkeymode_public.pem").read_text()}
CERTIFICATE_MODE = {"platform_certificates": PLATFORM_CERTIFICATE}


def account(trust: dict[str, str] = PUBLIC_MODE, livemode: bool = False, **settings: str) -> wire.Account:
    given = {"appid": NAMES["wx_appid"], "mchid": NAMES["wx_mchid"], "serial_no": NAMES["wx_mch_serial"],
             "gateway": "http://127.0.0.1:9"}  # fmt: skip
    if "public_key" in trust:
        given["public_key_id"] = NAMES["wx_pubkey_id"]
    secrets = {"private_key": MERCHANT_KEY, "apiv3_key": NAMES["wx_apiv3_key"], "apiv2_key": NAMES["wx_apiv2_key"]}
    row = AccountRow("acc", 0, "mer", "wechatpay", livemode, 380, given | settings, secrets | trust)
    assert WECHAT is not None
    return wire.open_account(row, WECHAT.manifest)


def vector(number: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next(VECTORS.glob(f"{number}-*.json")).read_text("utf-8"))
    return found


def ask(op: Op, payment: Payment | None = None, now_ms: int = START_MS) -> Question:
    payment = payment or new_payment()
    refund = Refund("rfd_01JD8000000000000000000000", 0, "m", payment.id, 500, RefundKind.REFUND, "", 1, 1)
    return Question(op, payment, now_ms, 3000, "136123456789012345", refund if "refund" in op.value else None,
                    "http://127.0.0.1/notify")  # fmt: skip


def signed(body: bytes, key: str = PUBLIC_PRIVATE, serial: str = NAMES["wx_pubkey_id"], at_ms: int = START_MS) -> dict[str, str]:
    """Headers as the channel sends them, made without our own code."""
    private = serialization.load_pem_private_key(key.encode(), None)
    timestamp, nonce = str(at_ms // 1000), "n0n5e"
    message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    raw = private.sign(message, padding.PKCS1v15(), hashes.SHA256())  # type: ignore[union-attr,call-arg,arg-type]
    return {"Wechatpay-Timestamp": timestamp, "Wechatpay-Nonce": nonce, "Wechatpay-Serial": serial,
            "Wechatpay-Signature": base64.b64encode(raw).decode(), "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048"}  # fmt: skip


def exchange(status: int, reply: Any, **how: Any) -> Exchange:
    body = b"" if reply is None else json.dumps(reply, ensure_ascii=False).encode()
    return Exchange(status, tuple(signed(body, **how).items()), body)
