"""What the channel does with orders (dossier 3.1): each method takes a request's fields and answers with more of them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from daozhang.channels.unionpay.twin import phones
from daozhang.channels.unionpay.twin.books import Back, Books, Code, Notify, Order
from daozhang.channels.unionpay.twin.faults import WORDS, Failed

BEIJING = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017
CODE_LIVES_MS = 60_000
QR_LIVES_MS = 2 * 3_600_000
# Several times in a day; the documents do not say when (dossier 9), so a plausible schedule.
NOTIFY_GAPS_MS = tuple(minutes * 60_000 for minutes in (1, 2, 4, 10, 30, 60, 120, 360))
NOTIFY_AFTER_MS = 200  # the reply is usually first
_NO_NOTIFY = "http://www.specialurl.com"
Fields = Mapping[str, str]
Reply = dict[str, str]


def beijing(at_ms: int) -> datetime:
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(BEIJING)


def clearing_day(at_ms: int) -> str:
    """``MMdd``; the day begins at 23:00 of the day before."""
    return (beijing(at_ms) + timedelta(hours=1)).strftime("%m%d")


class Trades:
    """The business behind the gate. ``rand`` gives bytes. Each method raises Failed for a refusal."""

    def __init__(self, books: Books, rand: Callable[[int], bytes], mer_id: str) -> None:
        self._books, self._rand, self._mer_id = books, rand, mer_id

    # -- paying ----------------------------------------------------------------------------------------------------------

    def pay(self, asked: Fields, now: int, forced: str = "") -> Reply:
        """Taken, or refused at once; whether the payer pays, the reply does not say."""
        self._new(asked)
        code = self._books.codes.get(asked["qrNo"])
        if code is None or code.used_by or now > code.expires_ms:
            raise Failed("61")
        self._books.put("code", replace(code, used_by=asked["orderId"]))
        payer = phones.of(code.behaviour, int(asked["txnAmt"]))
        order = self._order(asked, "pay", "PAYING", now, payer=code.payer, code=asked["qrNo"])
        self._act(order, payer, now, forced)
        return {"queryId": order.query_id}

    def apply(self, asked: Fields, now: int, forced: str = "") -> Reply:
        self._new(asked)
        qr = f"https://qr.95516.com/00010000/{self._rand(14).hex()}"
        timeout = asked.get("payTimeout")
        expires = now + QR_LIVES_MS
        if timeout:
            try:
                expires = int(datetime.strptime(timeout, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).timestamp() * 1000)
            except ValueError:
                raise Failed("10") from None
        order = self._order(asked, "apply", "SHOWN", now, qr=qr, expires_ms=expires)
        self._books.put("order", order)
        return {"qrCode": qr}

    def _new(self, asked: Fields) -> None:
        if asked["orderId"] in self._books.orders or asked["orderId"] in self._books.backs:
            raise Failed("12")

    def _order(self, asked: Fields, kind: str, state: str, now: int, *, payer: str = "", code: str = "", qr: str = "",
               expires_ms: int = 0) -> Order:  # fmt: skip
        number = self._books.number()
        return Order(
            asked["orderId"], asked["txnTime"], int(asked["txnAmt"]), kind, state, now, self._query_id(number, now),
            number % 1_000_000, notify_url=asked["backUrl"], payer=payer, code=code, qr=qr, access=asked["accessType"],
            expires_ms=expires_ms or now + 3_600_000, reserved=asked.get("reqReserved", ""),
            sub_mer_id=asked.get("subMerId", ""), acq_ins_code=asked.get("acqInsCode", ""),
        )  # fmt: skip

    def _act(self, order: Order, payer: phones.Behaviour, now: int, forced: str = "") -> Order:
        if forced == "typing":
            self._books.put("order", replace(order, state="PAYING"))
        elif payer.now == "typing":
            acts = now + payer.after_ms if payer.act else 0
            order = replace(order, state="PAYING", acts_ms=acts, act=payer.act)
            self._books.put("order", order)
        elif payer.now in ("paid", "A6"):
            return self.capture(replace(order, fail=payer.now if payer.now == "A6" else ""), now)
        else:
            order = self._fail(order, payer.now, now)
        return order

    def scan(self, qr: str, behaviour: str, now: int) -> Order:
        """A payer scans one of our QRs; one that fails may try again until payTimeout."""
        order = next((order for order in self._books.orders.values() if order.qr and order.qr == qr), None)
        if order is None or order.state not in ("SHOWN", "FAILED") or now > order.expires_ms:
            raise Failed("34")
        return self._act(replace(order, payer=self._payer(), fail=""), phones.of(behaviour, order.amount_fen), now)

    def capture(self, order: Order, now: int) -> Order:
        """The payer is charged."""
        order = replace(order, state="PAID", captured_fen=order.captured_fen + order.amount_fen, paid_ms=now, acts_ms=0, act="")
        self._books.put("order", order)
        self._notify(order, now)
        return order

    def _fail(self, order: Order, code: str, now: int) -> Order:
        order = replace(order, state="FAILED", fail=code, acts_ms=0, act="", closed_ms=now)
        self._books.put("order", order)
        return order

    # -- asking and undoing ------------------------------------------------------------------------------------------------

    def query(self, asked: Fields) -> Reply:
        """How an order went. One that nobody scanned, or that was reversed, is not found."""
        back = self._books.backs.get(asked["orderId"])
        if back is not None and back.txn_time == asked["txnTime"]:
            return self._told("00", back.query_id, back.trace_no, back.created_ms, back.amount_fen)
        order = self._known(asked)
        if order is None or order.state in ("SHOWN", "REVERSED"):
            raise Failed("34")
        if order.state == "PAID":
            return self._told(order.fail or "00", order.query_id, order.trace_no, order.paid_ms, order.amount_fen)
        code = "05" if order.state == "PAYING" else order.fail
        return {"origRespCode": code, "origRespMsg": WORDS.get(code, ""), "queryId": order.query_id, "currencyCode": "156"}

    def _told(self, code: str, query_id: str, trace_no: int, at_ms: int, amount: int) -> Reply:
        return {
            "origRespCode": code, "origRespMsg": WORDS.get(code, ""), "queryId": query_id, "traceNo": f"{trace_no:06d}",
            "traceTime": beijing(at_ms).strftime("%m%d%H%M%S"), "settleAmt": str(amount), "settleCurrencyCode": "156",
            "settleDate": clearing_day(at_ms), "currencyCode": "156",
        }  # fmt: skip

    def reverse(self, asked: Fields, now: int) -> Reply:
        """Whatever became of the order: it never was. Only on its clearing day. What never came cannot be reversed."""
        order = self._known(asked)
        if order is None:
            raise Failed("34")
        if clearing_day(order.created_ms) != clearing_day(now):
            raise Failed("39")
        if order.state == "PAID" and order.returned_fen:
            raise Failed("35")
        if order.state != "REVERSED":
            self._books.put("order", replace(order, state="REVERSED", returned_fen=order.captured_fen, closed_ms=now,
                                             acts_ms=0, act=""))  # fmt: skip
        return {"queryId": order.query_id}

    # -- giving back -------------------------------------------------------------------------------------------------------

    def undo(self, asked: Fields, now: int) -> Reply:
        """All of it, on the clearing day of the payment."""
        order = self._paid(asked)
        if int(asked["txnAmt"]) != order.captured_fen:
            raise Failed("36")
        if order.returned_fen:
            raise Failed("35")
        if clearing_day(order.paid_ms) != clearing_day(now):
            raise Failed("39")
        return self._give_back(asked, "undo", order, now)

    def refund(self, asked: Fields, now: int) -> Reply:
        order = self._paid(asked)
        if order.returned_fen + int(asked["txnAmt"]) > order.captured_fen:
            raise Failed("36")
        return self._give_back(asked, "refund", order, now)

    def _paid(self, asked: Fields) -> Order:
        self._new(asked)
        order = self._books.orders.get(self._books.by_query.get(asked["origQryId"], ""))
        if order is None or order.state != "PAID":
            raise Failed("35")
        return order

    def _give_back(self, asked: Fields, kind: str, order: Order, now: int) -> Reply:
        number = self._books.number()
        back = Back(asked["orderId"], asked["txnTime"], int(asked["txnAmt"]), kind, order.order_id, now,
                    self._query_id(number, now), number % 1_000_000, asked["backUrl"], asked["accessType"])  # fmt: skip
        self._books.put("back", back)
        self._books.put("order", replace(order, returned_fen=order.returned_fen + back.amount_fen))
        self._notify_back(back, order, now)
        return {"queryId": back.query_id, "origQryId": order.query_id}

    # -- time and people -----------------------------------------------------------------------------------------------------

    def pass_time(self, now: int) -> None:
        """Payers act, and what nobody paid in time fails."""
        for order in [self._books.orders[number] for number in self._books.waiting]:
            if order.acts_ms and now >= order.acts_ms:
                if order.act == "pay":
                    self.capture(order, now)
                else:
                    self._fail(order, order.act, now)
            elif now >= order.expires_ms:
                self._fail(order, "69", now)

    def due(self) -> int | None:
        waiting = [self._books.orders[number] for number in self._books.waiting]
        return min((order.acts_ms or order.expires_ms for order in waiting), default=None)

    def issue(self, behaviour: str, now: int) -> Code:
        """A payer opens the wallet: 19 digits from 62, good once and for about a minute."""
        digits = f"{int.from_bytes(self._rand(8), 'big') % 10**17:017d}"
        code = Code(f"62{digits}", self._payer(), behaviour, now + CODE_LIVES_MS)
        self._books.put("code", code)
        return code

    def _notify(self, order: Order, now: int) -> None:
        told = self._told(order.fail or "00", order.query_id, order.trace_no, order.paid_ms, order.amount_fen)
        kind = {"txnType": "01", "txnSubType": "06" if order.kind == "pay" else "07"}
        more = {"reqReserved": order.reserved} if order.reserved else {}
        self._push(order.notify_url, order.order_id, order.txn_time, order.access, order.amount_fen, {**told, **kind, **more}, now)

    def _notify_back(self, back: Back, order: Order, now: int) -> None:
        told = self._told("00", back.query_id, back.trace_no, back.created_ms, back.amount_fen)
        kind = {"txnType": "31" if back.kind == "undo" else "04", "txnSubType": "00", "origQryId": order.query_id}
        self._push(back.notify_url, back.order_id, back.txn_time, back.access, back.amount_fen, {**told, **kind}, now)

    def _push(self, url: str, order_id: str, txn_time: str, access: str, amount: int, told: Reply, now: int) -> None:
        """Successes only. The documents' own address stands for "no notify"."""
        if url.lower().rstrip("/") == _NO_NOTIFY:
            return
        code, message = told.pop("origRespCode"), told.pop("origRespMsg")
        fields = {
            "accessType": access, "bizType": "000000", "encoding": "UTF-8", "merId": self._mer_id, "orderId": order_id,
            "respCode": code, "respMsg": message, "signMethod": "01", "txnAmt": str(amount), "txnTime": txn_time,
            "version": "5.1.0", **told,
        }  # fmt: skip
        push_id = f"{told['queryId']}{self._rand(4).hex()}"
        self._books.put("notify", Notify(push_id, url, fields, 0, now + NOTIFY_AFTER_MS))

    # -- small things --------------------------------------------------------------------------------------------------------

    def _known(self, asked: Fields) -> Order | None:
        """By number and time: both name the order."""
        order = self._books.orders.get(asked["orderId"])
        return order if order is not None and order.txn_time == asked["txnTime"] else None

    def _query_id(self, number: int, now: int) -> str:
        return f"44{beijing(now).strftime('%y%m%d%H%M%S')}{number % 10**7:07d}"

    def _payer(self) -> str:
        return f"62{int.from_bytes(self._rand(6), 'big') % 10**6:06d}********{int.from_bytes(self._rand(2), 'big') % 10**3:03d}"
