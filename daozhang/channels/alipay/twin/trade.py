"""What the channel does with orders (dossier 1.2): each method takes the business content and answers with fields."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from daozhang.channels.alipay.twin import phones
from daozhang.channels.alipay.twin.books import Books, Code, Notify, Order

BEIJING = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017
_YUAN = re.compile(r"(0|[1-9]\d{0,8})(?:\.(\d{1,2}))?", re.ASCII)
_BUYER = re.compile(r"[0-9A-Za-z_-]{10,64}", re.ASCII)
_ORDER_NO = re.compile(r"[0-9A-Za-z_]{1,64}", re.ASCII)
CODE_LIVES_MS = 60_000
QR_LIVES_MS = 2 * 3_600_000
# Gaps of the real schedule between two sends of one notify (dossier 1.4).
NOTIFY_GAPS_MS = tuple(minutes * 60_000 for minutes in (4, 10, 10, 60, 120, 360, 900))
NOTIFY_AFTER_MS = 200  # the reply is usually first
Reply = dict[str, Any]


class Failed(Exception):
    """A business failure: 40004 with its sub_code."""

    def __init__(self, sub_code: str, sub_msg: str, code: str = "40004") -> None:
        super().__init__(sub_code)
        self.code, self.sub_code, self.sub_msg = code, sub_code, sub_msg


def beijing(at_ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(BEIJING).isoformat(" ", "seconds")[:-6]


def fen(text: Any, name: str) -> int:
    """An amount in yuan, as a text or, as some clients write it, as a number (which the doors read as it stands)."""
    text = str(text) if isinstance(text, int) and not isinstance(text, bool) else text
    found = _YUAN.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise Failed("ACQ.INVALID_PARAMETER", f"参数无效: {name}")
    return int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))


def yuan(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02d}"


class Trades:
    """The business behind the gate. ``rand`` gives bytes; ``notify`` is called with an order and fields to push."""

    def __init__(self, books: Books, rand: Callable[[int], bytes], app_id: str, seller_id: str) -> None:
        self._books, self._rand = books, rand
        self._app_id, self._seller_id = app_id, seller_id

    # -- paying ----------------------------------------------------------------------------------------------------------

    def pay(self, biz: Mapping[str, Any], notify_url: str, now: int, forced: str = "", app_id: str = "") -> Reply:
        number, amount = self._number(biz), fen(biz.get("total_amount"), "total_amount")
        auth_code = str(biz.get("auth_code", ""))
        if not auth_code:
            raise Failed("ACQ.AUTH_TOKEN_IS_NOT_EXIST", "支付授权码为空")
        if not 1 <= amount <= 10_000_000_000:
            raise Failed("ACQ.TOTAL_FEE_EXCEED", "订单总金额超过限额")
        mark = f"{auth_code}|{amount}|{biz.get('subject')}"
        known = self._books.orders.get(number)
        if known is not None:
            return self._again(known, mark)
        code = self._books.codes.get(auth_code)
        if code is None or code.used_by or now > code.expires_ms:
            raise Failed("ACQ.PAYMENT_AUTH_CODE_INVALID", "支付失败,获取顾客账户信息失败,请顾客刷新付款码后重新收款")
        payer = phones.of(code.behaviour, amount)
        if payer.reply.startswith("ACQ."):
            self._books.put("code", replace(code, used_by=number))
            raise Failed(payer.reply, payer.zh)
        self._books.put("code", replace(code, used_by=number))
        order = Order(number, amount, str(biz.get("subject", "")), "WAIT_BUYER_PAY", now, self._trade_no(now), auth_code,
                      "", notify_url, self._seller_id, code.payer, mark, now + self._expiry(biz, 3 * 3_600_000), app_id=app_id)  # fmt: skip
        if payer.reply == "typing" or forced == "typing":
            act = "" if forced == "typing" else payer.act
            self._books.put("order", replace(order, acts_ms=now + payer.after_ms if act else 0, act=act))
            return {"code": "10003", "msg": "order success pay inprocess", **self._named(order),
                    "buyer_logon_id": "159****5620", "total_amount": yuan(amount)}  # fmt: skip
        return {"code": "10000", "msg": "Success", **self._paid_fields(self.capture(order, now))}

    def _again(self, known: Order, mark: str) -> Reply:
        """The order number is the key: the same request gets the same answer, another one is refused."""
        if known.fingerprint != mark:
            raise Failed("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改")
        if known.state == "WAIT_BUYER_PAY":
            return {"code": "10003", "msg": "order success pay inprocess", **self._named(known)}
        if known.state == "TRADE_SUCCESS":
            return {"code": "10000", "msg": "Success", **self._paid_fields(known)}
        raise Failed("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")

    def precreate(self, biz: Mapping[str, Any], notify_url: str, now: int, app_id: str = "") -> Reply:
        number, amount = self._number(biz), fen(biz.get("total_amount"), "total_amount")
        if number in self._books.orders:
            raise Failed("ACQ.APPLY_PC_MERCHANT_CODE_ERROR", "申请商户二维码失败")
        qr = f"https://qr.alipay.com/bax{self._rand(12).hex()}"
        lives = self._expiry({"timeout_express": biz.get("qr_code_timeout_express", "120m")}, QR_LIVES_MS)
        order = Order(number, amount, str(biz.get("subject", "")), "SHOWN", now, "", "", qr, notify_url, self._seller_id,
                      expires_ms=now + lives, app_id=app_id)  # fmt: skip
        self._books.put("order", order)
        return {"code": "10000", "msg": "Success", "out_trade_no": number, "qr_code": qr}

    def create(self, biz: Mapping[str, Any], notify_url: str, now: int, app_id: str = "") -> Reply:
        """As behind a static plate: the payer is known, and the page on the payer's phone gets the number of the trade."""
        number, amount = self._number(biz), fen(biz.get("total_amount"), "total_amount")
        buyer = str(biz.get("buyer_id") or biz.get("buyer_open_id") or "")
        if not _BUYER.fullmatch(buyer):
            raise Failed("ACQ.INVALID_PARAMETER", "参数无效: buyer_id, buyer_open_id")
        if not 1 <= amount <= 10_000_000_000:
            raise Failed("ACQ.TOTAL_FEE_EXCEED", "订单总金额超过限额")
        if buyer == self._seller_id:
            raise Failed("ACQ.BUYER_SELLER_EQUAL", "买卖家不能相同")
        mark = f"{buyer}|{amount}|{biz.get('subject')}"
        known = self._books.orders.get(number)
        if known is None:
            known = Order(number, amount, str(biz.get("subject", "")), "WAIT_BUYER_PAY", now, self._trade_no(now), "", "",
                          notify_url, self._seller_id, buyer, mark, now + self._expiry(biz, 3 * 3_600_000), app_id=app_id)  # fmt: skip
            known.qr = known.trade_no
            self._books.put("order", known)
        elif known.fingerprint != mark:
            raise Failed("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改")
        elif known.state != "WAIT_BUYER_PAY":
            raise Failed(*(("ACQ.TRADE_HAS_SUCCESS", "交易已被支付") if known.state == "TRADE_SUCCESS"
                           else ("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")))  # fmt: skip
        return {"code": "10000", "msg": "Success", **self._named(known)}

    def scan(self, qr: str, behaviour: str, now: int) -> Order:
        """A payer scans one of our QRs (the trade exists from now on), or confirms on a plate's page."""
        order = next((order for order in self._books.orders.values() if order.qr == qr and qr), None)
        made = order is not None and order.state == "WAIT_BUYER_PAY" and order.qr == order.trade_no and not order.acts_ms
        if order is None or (order.state != "SHOWN" and not made) or now > order.expires_ms:
            raise Failed("QR_INVALID", "二维码无效或已过期")
        payer = phones.of(behaviour, order.amount_fen)
        if not made:
            order = replace(order, state="WAIT_BUYER_PAY", trade_no=self._trade_no(now), buyer=self._payer())
        if payer.reply == "paid":
            return self.capture(order, now)
        self._books.put("order", replace(order, acts_ms=now + payer.after_ms if payer.act else 0, act=payer.act))
        return order

    def capture(self, order: Order, now: int) -> Order:
        """The payer is charged."""
        order = replace(order, state="TRADE_SUCCESS", captured_fen=order.captured_fen + order.amount_fen, paid_ms=now,
                        acts_ms=0, act="")  # fmt: skip
        self._books.put("order", order)
        self.notify(order, now)
        return order

    # -- asking and undoing ------------------------------------------------------------------------------------------------

    def query(self, biz: Mapping[str, Any], now: int) -> Reply:
        order = self._order(biz)
        told = {**self._named(order), "trade_status": order.state, "total_amount": yuan(order.amount_fen)}
        if order.paid_ms:
            told |= {**self._paid_fields(order), "trade_status": order.state, "send_pay_date": beijing(order.paid_ms)}
            told.pop("gmt_payment", None)
        return {"code": "10000", "msg": "Success", **told}

    def cancel(self, biz: Mapping[str, Any], now: int) -> Reply:
        number = str(biz.get("out_trade_no", ""))
        order = self._books.orders.get(number) or self._by_trade_no(biz)
        done = {"code": "10000", "msg": "Success", "out_trade_no": number, "retry_flag": "N"}
        if order is None or order.state in ("SHOWN", "BLOCKED"):
            # Undone before it came: the number is taken from now on, and a QR shown for it is dead.
            gone = order or Order(number, 0, "", "BLOCKED", now)
            self._books.put("order", replace(gone, state="BLOCKED", closed_ms=now))
            return done
        done["trade_no"] = order.trade_no
        if order.state == "TRADE_CLOSED":
            return {**done, "action": "refund" if order.returned_fen else "close"}
        if now // 1000 + 8 * 3600 >= ((order.created_ms // 1000 + 8 * 3600) // 86_400 + 1) * 86_400:
            raise Failed("ACQ.TRADE_CANCEL_TIME_OUT", "超过撤销时间范围")
        if order.state == "TRADE_SUCCESS":
            self._take_from_seller(order.captured_fen - order.returned_fen)
            self.close_order(replace(order, returned_fen=order.captured_fen), now)
            return {**done, "action": "refund"}
        self.close_order(order, now)
        return {**done, "action": "close"}

    def close(self, biz: Mapping[str, Any], now: int) -> Reply:
        order = self._order(biz)
        if order.state == "TRADE_SUCCESS":
            raise Failed("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        if order.state == "WAIT_BUYER_PAY":
            self.close_order(order, now)
        return {"code": "10000", "msg": "Success", **self._named(order)}

    def close_order(self, order: Order, now: int) -> None:
        self._books.put("order", replace(order, state="TRADE_CLOSED", closed_ms=now, acts_ms=0, act=""))

    # -- giving back -------------------------------------------------------------------------------------------------------

    def refund(self, biz: Mapping[str, Any], now: int) -> Reply:
        order, amount = self._order(biz), fen(biz.get("refund_amount"), "refund_amount")
        request = str(biz.get("out_request_no") or order.out_trade_no)
        told = {"code": "10000", "msg": "Success", **self._named(order), "buyer_logon_id": "159****5620"}
        if request in order.refunds:
            if order.refunds[request] != amount:
                raise Failed("ACQ.DISCORDANT_REPEAT_REQUEST", "请求信息不一致")
            return {**told, "fund_change": "N", "refund_fee": yuan(order.returned_fen)}
        if order.state != "TRADE_SUCCESS":
            raise Failed("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        if amount <= 0 or order.returned_fen + amount > order.captured_fen:
            raise Failed("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限")
        if order.last_refund_ms and now - order.last_refund_ms < 3000:
            raise Failed("ACQ.SYSTEM_ERROR", "系统异常,请求过于频繁")
        self._take_from_seller(amount)
        after = replace(order, returned_fen=order.returned_fen + amount, refunds={**order.refunds, request: amount},
                        refund_times={**order.refund_times, request: now}, last_refund_ms=now)  # fmt: skip
        if after.returned_fen == after.captured_fen:
            after = replace(after, state="TRADE_CLOSED", closed_ms=now)
        self._books.put("order", after)
        self.notify(
            after, now, {"refund_fee": yuan(after.returned_fen), "gmt_refund": beijing(now), "out_biz_no": request}
        )
        return {**told, "fund_change": "Y", "refund_fee": yuan(after.returned_fen), "send_back_fee": yuan(amount)}

    def refund_query(self, biz: Mapping[str, Any], now: int) -> Reply:
        order = self._order(biz)
        request = str(biz.get("out_request_no", ""))
        told = {"code": "10000", "msg": "Success", **self._named(order), "out_request_no": request}
        if request not in order.refunds:
            return told
        return {**told, "refund_status": "REFUND_SUCCESS", "refund_amount": yuan(order.refunds[request]),
                "total_amount": yuan(order.amount_fen)}  # fmt: skip

    def _take_from_seller(self, amount: int) -> None:
        balance = self._books.seller_balance_fen
        if balance is not None and balance < amount:
            raise Failed("ACQ.SELLER_BALANCE_NOT_ENOUGH", "卖家余额不足")
        if balance is not None:
            self._books.seller_balance_fen = balance - amount

    # -- time and people -----------------------------------------------------------------------------------------------------

    def pass_time(self, now: int) -> None:
        """Payers act, and unpaid trades close by themselves."""
        for order in [self._books.orders[number] for number in self._books.waiting]:
            if order.acts_ms and now >= order.acts_ms:
                if order.act == "pay":
                    self.capture(order, now)
                else:
                    self._books.put("order", replace(order, acts_ms=0, act=""))
            elif now >= order.expires_ms:
                self.close_order(order, now)

    def due(self) -> int | None:
        waiting = [self._books.orders[number] for number in self._books.waiting]
        times = [order.acts_ms or order.expires_ms for order in waiting]
        return min(times, default=None)

    def issue(self, behaviour: str, now: int) -> Code:
        """A payer opens the wallet: 18 digits from 28, good once and for about a minute."""
        digits = f"{int.from_bytes(self._rand(8), 'big') % 10**16:016d}"
        code = Code(f"28{digits}", self._payer(), behaviour, now + CODE_LIVES_MS)
        self._books.put("code", code)
        return code

    def notify(self, order: Order, now: int, more: Mapping[str, str] | None = None) -> None:
        """Queue a notify; the same notify_id over all its repeats."""
        if not order.notify_url:
            return
        push_id = f"{beijing(now)[:10].replace('-', '')}{self._rand(12).hex()}"[:32]
        fields = {
            "notify_time": beijing(now), "notify_type": "trade_status_sync", "notify_id": push_id,
            "app_id": order.app_id or self._app_id, "auth_app_id": self._app_id, "charset": "utf-8", "version": "1.0",
            "trade_status": order.state, "seller_id": self._seller_id, "subject": order.subject,
            "gmt_create": beijing(order.created_ms), "buyer_id": order.buyer, **(more or {}),
            **{key: value for key, value in self._paid_fields(order).items() if isinstance(value, str)},
        }  # fmt: skip
        fields["fund_bill_list"] = f'[{{"amount":"{yuan(order.captured_fen)}","fundChannel":"ALIPAYACCOUNT"}}]'
        self._books.put("notify", Notify(push_id, order.notify_url, fields, 0, now + NOTIFY_AFTER_MS))

    # -- small things --------------------------------------------------------------------------------------------------------

    def _number(self, biz: Mapping[str, Any]) -> str:
        number = biz.get("out_trade_no")
        if not isinstance(number, str) or not _ORDER_NO.fullmatch(number):
            raise Failed("ACQ.INVALID_PARAMETER", "参数无效: out_trade_no")
        known = self._books.orders.get(number)
        if known is not None and known.state == "BLOCKED":
            raise Failed("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
        return number

    def _order(self, biz: Mapping[str, Any]) -> Order:
        order = self._by_trade_no(biz) or self._books.orders.get(str(biz.get("out_trade_no", "")))
        if not biz.get("out_trade_no") and not biz.get("trade_no"):
            raise Failed("ACQ.INVALID_PARAMETER", "参数无效: out_trade_no, trade_no")
        if order is None or order.state in ("SHOWN", "BLOCKED"):
            raise Failed("ACQ.TRADE_NOT_EXIST", "交易不存在")
        return order

    def _by_trade_no(self, biz: Mapping[str, Any]) -> Order | None:
        wanted = biz.get("trade_no")
        return next((o for o in self._books.orders.values() if o.trade_no == wanted), None) if wanted else None

    def _named(self, order: Order) -> dict[str, str]:
        return {"out_trade_no": order.out_trade_no, "trade_no": order.trade_no}

    def _paid_fields(self, order: Order) -> Reply:
        amount = yuan(order.captured_fen or order.amount_fen)
        return {
            **self._named(order), "buyer_logon_id": "159****5620", "buyer_user_id": order.buyer,
            "total_amount": yuan(order.amount_fen), "receipt_amount": amount, "buyer_pay_amount": amount,
            "invoice_amount": amount, "point_amount": "0.00", "gmt_payment": beijing(order.paid_ms or order.created_ms),
            "fund_bill_list": [{"amount": amount, "fund_channel": "ALIPAYACCOUNT"}],
        }  # fmt: skip

    def _trade_no(self, now: int) -> str:
        return f"{beijing(now)[:10].replace('-', '')}22001{self._books.number():015d}"[:28]

    def _payer(self) -> str:
        return f"2088{int.from_bytes(self._rand(6), 'big') % 10**12:012d}"

    @staticmethod
    def _expiry(biz: Mapping[str, Any], otherwise: int) -> int:
        found = re.fullmatch(r"(\d{1,4})([mhd])", str(biz.get("timeout_express", "")))
        return int(found[1]) * {"m": 60_000, "h": 3_600_000, "d": 86_400_000}[found[2]] if found else otherwise
