"""The other side of the wire, with books of its own: enough to pay, query, undo, refund and push.

Written without looking at our side. A real channel's twin grows payers' habits and faults (see the others' twins).
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from daozhang.channels.twin import Heard, Push, Refused, Said

PORT = 9
_JSON = ("Content-Type", "application/json")


def new_keys(rand: Callable[[int], bytes]) -> dict[str, Any]:
    return {"app_id": rand(8).hex(), "key": rand(24).hex()}


def make(
    held: dict[str, Any], rand: Callable[[int], bytes], append: Callable[[dict[str, Any]], None]
) -> "TemplateTwin":
    return TemplateTwin(held["app_id"], held["key"], rand, append)


def make_simulated(secret: str, rand: Callable[[int], bytes]) -> "TemplateTwin":
    return TemplateTwin("app", secret, rand, lambda record: None)


class TemplateTwin:
    """Orders by number: amount, state, money taken and given back."""

    name = "template"

    def __init__(
        self, app_id: str, key: str, rand: Callable[[int], bytes], append: Callable[[dict[str, Any]], None]
    ) -> None:
        self._app_id, self._key, self._rand, self._append = app_id, key, rand, append
        self._orders: dict[str, dict[str, Any]] = {}
        self._codes: dict[str, str] = {}
        self._requests: list[dict[str, Any]] = []

    def handle(self, heard: Heard) -> Said:
        given = next((value for name, value in heard.headers if name.lower() == "x-sign"), "")
        if not hmac.compare_digest(self._sign(heard.body), given):
            return Said(401, (_JSON,), b"{}")
        asked = json.loads(heard.body)
        self._requests.append({"at_ms": heard.at_ms, "method": asked["op"], "out_trade_no": asked["order"]})
        body = json.dumps({"order": asked["order"], **self._answer(asked)}).encode()
        return Said(200, (_JSON, ("X-Sign", self._sign(body))), body)

    def _sign(self, body: bytes) -> str:
        return hmac.digest(self._key.encode(), body, hashlib.sha256).hex()

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        order = self._orders.get(asked["order"])
        if asked["op"] == "pay":
            return self._pay(asked, order)
        if asked["op"] == "query":
            return (
                {"code": order["state"], "amount": order["amount"], "trade_no": order["trade_no"]}
                if order
                else {"code": "no_order"}
            )
        if asked["op"] in ("reverse", "close"):
            if order is None:
                self._put(asked["order"], {"amount": 0, "state": "closed", "returned": 0, "trade_no": ""})
                return {"code": "undone_absent"}
            paid = order["state"] == "paid"
            self._put(asked["order"], {**order, "state": "returned" if paid else order["state"].replace("typing", "closed"),
                                       "returned": order["amount"] if paid else order["returned"]})  # fmt: skip
            return {"code": "undone_paid" if paid or order["state"] == "returned" else "undone_unpaid"}
        return self._refund(asked, order)

    def _pay(self, asked: dict[str, Any], order: dict[str, Any] | None) -> dict[str, Any]:
        behaviour = self._codes.pop(asked.get("code", ""), "")
        if order is not None or not behaviour:
            return {"code": "busy" if order else "no_balance"}
        state = "typing" if behaviour == "hesitates" else "paid"
        trade_no = self._rand(8).hex()
        self._put(asked["order"], {"amount": asked["amount"], "state": state, "returned": 0, "trade_no": trade_no})
        return {"code": "ok" if state == "paid" else "typing", "amount": asked["amount"], "trade_no": trade_no}

    def _refund(self, asked: dict[str, Any], order: dict[str, Any] | None) -> dict[str, Any]:
        if order is None or order["state"] not in ("paid", "returned"):
            return {"code": "refused"}
        done: dict[str, int] = order.get("refunds", {})
        if asked["op"] == "refund" and asked["refund"] not in done:
            if order["returned"] + asked["amount"] > order["amount"]:
                return {"code": "refused"}
            done = {**done, asked["refund"]: asked["amount"]}
            self._put(asked["order"], {**order, "refunds": done, "returned": order["returned"] + asked["amount"]})
        return {"code": "done" if asked["refund"] in done else "pending"}

    def _put(self, number: str, order: dict[str, Any]) -> None:
        self._orders[number] = order
        self._append({"number": number, "order": order})

    # -- controls ----------------------------------------------------------------------------------------------------------

    def code(self, behaviour: str, now_ms: int) -> dict[str, Any]:
        if behaviour not in ("pays", "hesitates"):
            raise Refused("unknown_behaviour", "没有这种付款行为", "no payer behaves like that")
        code = f"88{int.from_bytes(self._rand(8), 'big') % 10**18:018d}"
        self._codes[code] = behaviour
        return {"code": code, "payer": "payer", "behaviour": behaviour, "expires_at_ms": now_ms + 60_000}

    def scan(self, qr: str, behaviour: str, now_ms: int) -> dict[str, Any]:
        raise Refused("qr_invalid", "这个渠道没有二维码", "this channel shows no QR")

    def act(self, order: str, act: str, now_ms: int) -> None:
        raise Refused("nothing_asked", "这个渠道的手机不问密码", "phones of this channel ask for no password")

    def behaviours(self) -> list[dict[str, str]]:
        return [
            {"name": "pays", "zh": "马上付成功", "en": "pays at once"},
            {"name": "hesitates", "zh": "一直犹豫", "en": "hesitates for ever"},
        ]

    def modes(self) -> list[dict[str, str]]:
        return []

    def chaos(self, mode: str, now_ms: int, share: float = 1.0, for_ms: int = 0, op: str = "", order: str = "") -> None:
        raise Refused("unknown_mode", "没有这种故障", "there is no such fault")

    def chaos_on(self) -> list[dict[str, Any]]:
        return []

    def chaos_off(self) -> None:
        return None

    def control(self, name: str, value: Any) -> None:
        raise Refused("unknown_control", "没有这个开关", "there is no such control")

    def account(self, base_url: str) -> tuple[dict[str, str], dict[str, str]]:
        return {"app_id": self._app_id, "gateway": f"{base_url}/gateway.do"}, {"key": self._key}

    def simulated_account(self, secret: str) -> tuple[dict[str, str], dict[str, str]]:
        return {"app_id": self._app_id}, {"key": self._key}

    def credentials(self, base_url: str) -> dict[str, Any]:
        return {"gateway": f"{base_url}/gateway.do", "app_id": self._app_id, "key": self._key}

    def next_due_ms(self) -> int | None:
        return None

    def tick(self, now_ms: int) -> list[Push]:
        return []

    def pushed(self, push_id: str, status: int | None, body: bytes, now_ms: int) -> None:
        return None

    def books(self) -> dict[str, Any]:
        orders = [{"out_trade_no": number, "amount_fen": order["amount"], "returned_fen": order["returned"], "state": order["state"],
                   "captured_fen": order["amount"] if order["state"] in ("paid", "returned") else 0, "times": {}}
                  for number, order in self._orders.items()]  # fmt: skip
        return {"orders": orders, "requests": self._requests}

    def replay(self, record: dict[str, Any]) -> None:
        self._orders[record["number"]] = record["order"]
