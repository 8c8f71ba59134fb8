"""What the channel does with orders (dossier 2): the business behind both wires, which only speak of it differently."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from daozhang.channels.wechatpay.twin import phones
from daozhang.channels.wechatpay.twin.books import WAITING, Books, Code, Notify, Order, Refund
from daozhang.channels.wechatpay.twin.faults import Failed

BEIJING = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ORDER_NO = re.compile(r"[0-9A-Za-z_\-|*@]{6,32}", re.ASCII)
_REFUND_NO = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}", re.ASCII)
_CODE = re.compile(r"1[0-5][0-9]{16}", re.ASCII)
CODE_LIVES_MS = 60_000
LIVES_MS = 2 * 3_600_000
NO_REVERSE_MS = 15_000
REVERSE_WITHIN_MS = 7 * 86_400_000
CONFIRMING_MS = 2_000  # the payer's finger is on the last digit: nothing can be undone
CARD_REFUND_MS = 20_000
REFUND_WITHIN_MS = 365 * 86_400_000
# Gaps of the real schedule between two sends of one callback (dossier 2.2).
NOTIFY_GAPS_MS = tuple(
    seconds * 1000
    for seconds in (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10_800, 10_800, 10_800, 21_600, 21_600)
)
NOTIFY_AFTER_MS = 200  # the reply is usually first


def beijing(at_ms: int) -> datetime:
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(BEIJING)


class Trades:
    """``rand`` gives bytes. Each method raises Failed for a refusal."""

    def __init__(self, books: Books, rand: Callable[[int], bytes]) -> None:
        self._books, self._rand = books, rand

    # -- paying ----------------------------------------------------------------------------------------------------------

    def pay(self, args: Mapping[str, Any], now: int, forced: str = "") -> Order:
        number, amount, auth_code = self._number(args), self._amount(args), str(args.get("auth_code", ""))
        mark = f"{auth_code}|{amount}|{args.get('description')}"
        known = self._books.orders.get(number)
        if known is not None:
            return self._again(known, mark)
        if not _CODE.fullmatch(auth_code):
            raise Failed("code_wrong")
        code = self._books.codes.get(auth_code)
        if code is None or code.used_by or now > code.expires_ms:
            raise Failed("code_invalid")
        payer = phones.of(code.behaviour, amount)
        self._books.put("code", replace(code, used_by=number))
        if payer.reply not in ("paid", "typing"):
            raise Failed(payer.reply)
        order = self._made(args, number, amount, now, "MICROPAY", payer)
        order = replace(order, fingerprint=mark, openid=code.payer)
        if payer.reply == "typing" or forced == "typing":
            act = "" if forced == "typing" else payer.act
            order = replace(order, state="USERPAYING", acts_ms=now + payer.after_ms if act else 0, act=act)
            self._books.put("order", order)
            return order
        return self.capture(order, now)

    def _again(self, known: Order, mark: str) -> Order:
        """The order number is the key: the same request gets the same answer, another one is refused."""
        if known.state in ("CLOSED", "BLOCKED"):
            raise Failed("order_closed")
        if known.state == "REVOKED":
            raise Failed("order_reversed")
        if known.fingerprint != mark:
            raise Failed("number_used")
        return known

    def native(self, args: Mapping[str, Any], now: int, trade_type: str = "NATIVE") -> Order:
        """A QR for the shop to show, or (JSAPI, as behind a static code plate) a number for the page on the payer's phone.

        The same order asked again gets the same one.
        """
        number, amount = self._number(args), self._amount(args)
        mark = f"{amount}|{args.get('description')}|{args.get('notify_url')}"
        known = self._books.orders.get(number)
        if known is not None:
            if known.state == "SUCCESS":
                raise Failed("order_paid")
            return self._again(known, mark)
        if args.get("expires_ms") and args["expires_ms"] <= now:
            raise Failed("param", "参数错误: time_expire 已过")
        order = self._made(args, number, amount, now, trade_type, phones.BEHAVIOURS["pays"])
        made = f"weixin://wxpay/bizpayurl?pr={self._rand(6).hex()}" if trade_type == "NATIVE" else f"wx{self._rand(17).hex()}"
        order = replace(order, fingerprint=mark, qr=made, openid=str(args.get("openid") or order.openid))
        self._books.put("order", order)
        return order

    def _made(self, args: Mapping[str, Any], number: str, amount: int, now: int, trade_type: str,
              payer: phones.Behaviour) -> Order:  # fmt: skip
        coupon = payer.coupon_fen if amount > 2 * payer.coupon_fen else 0
        return Order(
            number, amount, "NOTPAY", now, str(args.get("description", ""))[:127], str(args.get("attach", ""))[:128],
            trade_type, "", "", str(args.get("notify_url", "")), self._payer(), payer.bank, "",
            str(args.get("sub_mchid", "")), str(args.get("sub_appid", "")), str(args.get("payer_of", "")),
            str(args.get("api", "v3")), str(args.get("signer", "")), int(args.get("expires_ms") or now + LIVES_MS), coupon_fen=coupon,
        )  # fmt: skip

    def scan(self, qr: str, behaviour: str, now: int) -> Order:
        """A payer scans one of our QRs, or confirms on the page that has the JSAPI number."""
        order = next((order for order in self._books.orders.values() if order.qr == qr and qr), None)
        if order is None or order.state != "NOTPAY" or now > order.expires_ms:
            raise Failed("not_exist")
        payer = phones.of(behaviour, order.amount_fen)
        order = replace(order, bank_type=payer.bank, coupon_fen=payer.coupon_fen if order.amount_fen > 200 else 0)
        if payer.reply == "paid":
            return self.capture(order, now)
        if payer.reply == "typing":
            order = replace(order, state="USERPAYING", acts_ms=now + payer.after_ms if payer.act else 0, act=payer.act)
        self._books.put("order", order)
        return order

    def capture(self, order: Order, now: int) -> Order:
        """The payer is charged."""
        serial = f"42{beijing(now):%Y%m%d}{self._books.number():018d}"
        order = replace(order, state="SUCCESS", captured_fen=order.captured_fen + order.amount_fen, paid_ms=now,
                        acts_ms=0, act="", transaction_id=order.transaction_id or serial)  # fmt: skip
        self._books.put("order", order)
        if order.trade_type != "MICROPAY":  # code payments are never pushed
            self.notify(order, "TRANSACTION.SUCCESS", order.notify_url, now)
        return order

    # -- asking and undoing ------------------------------------------------------------------------------------------------

    def query(self, args: Mapping[str, Any], now: int) -> Order:
        order = self._found(args)
        if order is None or order.state == "BLOCKED":
            raise Failed("not_exist")
        return order

    def reverse(self, args: Mapping[str, Any], now: int) -> Order:
        order = self._found(args)
        if order is None:
            return self._block(args, now)
        if order.state in ("REVOKED", "CLOSED", "BLOCKED"):
            return order
        if order.trade_type != "MICROPAY":
            raise Failed("wrong_undo")
        if now - order.created_ms < NO_REVERSE_MS:
            raise Failed("too_early")
        if order.act == "pay" and order.state == "USERPAYING" and order.acts_ms - now <= CONFIRMING_MS:
            raise Failed("paying")
        if order.captured_fen > order.returned_fen:
            if now - order.paid_ms > REVERSE_WITHIN_MS:
                raise Failed("too_old")
            self._take_from_seller(order.captured_fen - order.returned_fen)
        return self._ended(replace(order, returned_fen=order.captured_fen), "REVOKED", now)

    def close(self, args: Mapping[str, Any], now: int) -> Order:
        order = self._found(args)
        if order is None:
            return self._block(args, now)
        if order.state in ("CLOSED", "BLOCKED"):
            return order
        if order.captured_fen:
            raise Failed("order_paid")
        return self._closed(order, now)

    def _closed(self, order: Order, now: int) -> Order:
        if order.trade_type == "MICROPAY":
            raise Failed("wrong_undo")
        return self._ended(order, "CLOSED", now)

    def _block(self, args: Mapping[str, Any], now: int) -> Order:
        """Undone before it came: the number is taken from now on."""
        order = Order(self._text_number(args), 0, "BLOCKED", now, closed_ms=now, sub_mchid=str(args.get("sub_mchid") or ""))
        self._books.put("order", order)
        return order

    def _ended(self, order: Order, state: str, now: int) -> Order:
        order = replace(order, state=state, closed_ms=now, acts_ms=0, act="")
        self._books.put("order", order)
        return order

    # -- giving back -------------------------------------------------------------------------------------------------------

    def refund(self, args: Mapping[str, Any], now: int, abnormal: bool = False) -> tuple[Order, Refund]:
        order = self._found(args)
        if order is None or order.state == "BLOCKED":
            raise Failed("not_exist")
        number, amount = str(args.get("out_refund_no", "")), args.get("refund_fen")
        if not _REFUND_NO.fullmatch(number) or not isinstance(amount, int) or isinstance(amount, bool) or amount < 1:
            raise Failed("param", "参数错误: out_refund_no, refund")
        known = order.refunds.get(number)
        if known is not None:
            if known.amount_fen != amount:
                raise Failed("refund_changed")
            return order, known
        if order.state not in ("SUCCESS", "REFUND") or number in self._books.refunds:
            raise Failed("not_paid")
        if args.get("total_fen") != order.amount_fen or now - order.paid_ms > REFUND_WITHIN_MS:
            raise Failed("param", "参数错误: total")
        if order.returned_fen + amount > order.captured_fen or len(order.refunds) >= 50:
            raise Failed("refund_too_much")
        self._take_from_seller(amount)
        card = order.bank_type != "OTHERS"
        status = "ABNORMAL" if abnormal else "PROCESSING" if card else "SUCCESS"
        due = now + CARD_REFUND_MS if status == "PROCESSING" else 0
        made = Refund(number, f"503{beijing(now):%Y%m%d}{self._books.number():017d}", amount, status, now, due,
                      now if status == "SUCCESS" else 0, str(args.get("notify_url", "")), str(args.get("funds") or "UNSETTLED"))  # fmt: skip
        order = replace(order, state="REFUND", returned_fen=order.returned_fen + amount,
                        refunds={**order.refunds, number: made})  # fmt: skip
        self._books.put("order", order)
        if status != "PROCESSING":
            self.notify(order, f"REFUND.{status}", made.notify_url, now, number)
        return order, made

    def refund_query(self, args: Mapping[str, Any], now: int) -> tuple[Order, Refund]:
        number = str(args.get("out_refund_no") or "")
        order = self._books.orders.get(self._books.refunds.get(number, "")) if number else self._found(args)
        if order is None or not order.refunds or order.sub_mchid != str(args.get("sub_mchid") or ""):
            raise Failed("refund_missing")
        number = number or next(iter(order.refunds))
        return order, order.refunds[number]

    def _take_from_seller(self, amount: int) -> None:
        balance = self._books.seller_balance_fen
        if balance is not None and balance < amount:
            raise Failed("refund_balance")
        if balance is not None:
            self._books.seller_balance_fen = balance - amount

    # -- time and people -----------------------------------------------------------------------------------------------------

    def pass_time(self, now: int) -> None:
        """Payers act, cards get their money back, and unpaid orders close by themselves."""
        for order in [self._books.orders[number] for number in self._books.busy]:
            for refund in [refund for refund in order.refunds.values() if refund.due_ms and now >= refund.due_ms]:
                done = replace(refund, status="SUCCESS", due_ms=0, done_ms=now)
                order = replace(order, refunds={**order.refunds, refund.out_refund_no: done})
                self._books.put("order", order)
                self.notify(order, "REFUND.SUCCESS", done.notify_url, now, done.out_refund_no)
            if order.state in WAITING and order.acts_ms and now >= order.acts_ms:
                self._act(order, now)
            elif order.state in WAITING and now >= order.expires_ms:
                self._ended(order, "CLOSED", now)

    def _act(self, order: Order, now: int) -> None:
        if order.act == "pay":
            self.capture(order, now)
        elif order.act == "fail":
            self._ended(order, "PAYERROR", now)
        else:
            self._books.put("order", replace(order, state="NOTPAY", acts_ms=0, act=""))

    def due(self) -> int | None:
        times: list[int] = []
        for order in (self._books.orders[number] for number in self._books.busy):
            if order.state in WAITING:
                times.append(order.acts_ms or order.expires_ms)
            times += [refund.due_ms for refund in order.refunds.values() if refund.due_ms]
        return min(times, default=None)

    def issue(self, behaviour: str, now: int) -> Code:
        """A payer opens the wallet: 18 digits from 13, good once and for about a minute."""
        digits = f"{int.from_bytes(self._rand(8), 'big') % 10**16:016d}"
        code = Code(f"13{digits}", self._payer(), behaviour, now + CODE_LIVES_MS)
        self._books.put("code", code)
        return code

    def notify(self, order: Order, event: str, url: str, now: int, refund: str = "") -> None:
        """Queue a callback; the same id over all its repeats."""
        if url:
            made = self._rand(16).hex()
            push_id = f"{made[:8]}-{made[8:12]}-5{made[13:16]}-9{made[17:20]}-{made[20:]}"
            self._books.put("notify", Notify(push_id, url, event, order.out_trade_no, refund, now, 0, now + NOTIFY_AFTER_MS))

    # -- small things --------------------------------------------------------------------------------------------------------

    def _text_number(self, args: Mapping[str, Any]) -> str:
        number = args.get("out_trade_no")
        if not isinstance(number, str) or not _ORDER_NO.fullmatch(number):
            raise Failed("param", "参数错误: out_trade_no")
        return number

    def _number(self, args: Mapping[str, Any]) -> str:
        number = self._text_number(args)
        known = self._books.orders.get(number)
        if known is not None and known.state == "BLOCKED":
            raise Failed("order_reversed")
        return number

    def _amount(self, args: Mapping[str, Any]) -> int:
        amount = args.get("amount_fen")
        if not isinstance(amount, int) or isinstance(amount, bool) or not 1 <= amount <= 10_000_000_000:
            raise Failed("param", "参数错误: amount")
        if not args.get("description"):
            raise Failed("param", "参数错误: description")
        return amount

    def _found(self, args: Mapping[str, Any]) -> Order | None:
        """Another merchant's order is like none. Raises Failed."""
        number = self._books.by_transaction.get(str(args.get("transaction_id") or ""), "")
        found = self._books.orders.get(number or str(args.get("out_trade_no") or ""))
        if found is not None and found.sub_mchid != str(args.get("sub_mchid") or ""):
            raise Failed("not_exist")
        return found

    def _payer(self) -> str:
        return f"o{self._rand(14).hex()[:27]}"
