"""A judge that shares no code with the product: compares what the API says with what the channel's books say.

Run as a program: ``python judge.py API KEY BOOKS_JSON [--settled]``. Reads every payment of the key's merchant over
HTTP and the books from a file; prints one line a contradiction; exit 1 when there is one.
"""

import itertools
import json
import sys
import urllib.request
from collections import defaultdict

OPEN = {"created", "sent", "waiting_payer", "unknown", "reversing", "deferred"}


def get(api: str, key: str, path: str) -> dict:
    request = urllib.request.Request(api + path, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.loads(reply.read())


def all_payments(api: str, key: str) -> list[dict]:
    rows, cursor = [], ""
    while True:
        page = get(api, key, "/payments?limit=100" + (f"&cursor={cursor}" if cursor else ""))
        rows += page["data"]
        if not page["has_more"]:
            return rows
        cursor = page["next_cursor"]


def judge(payments: list[dict], books: dict, acknowledged: set[str], settled: bool) -> list[str]:
    """Contradictions, in words. ``settled``: nothing may still be open."""
    orders = {order["out_trade_no"]: order for order in books["orders"]}
    ours = {payment["channel_refs"]["out_trade_no"]: payment for payment in payments}
    wrong = [f"acknowledged and gone: {ident}" for ident in acknowledged - {payment["id"] for payment in payments}]
    kept_by_sale: dict[str, int] = defaultdict(int)
    for number, payment in ours.items():
        order = orders.get(number, {"captured_fen": 0, "returned_fen": 0})
        captured, returned = order["captured_fen"], order["returned_fen"]
        kept_by_sale[payment["merchant_order_no"]] += captured - returned
        state, name = payment["status"], f"{payment['id']} ({payment['status']})"
        if captured not in (0, payment["amount"]):
            wrong.append(f"{name}: captured {captured} of {payment['amount']}")
        if (
            state in ("paid", "partly_refunded")
            and captured - returned != payment["amount"] - payment["amount_refunded"]
        ):
            wrong.append(f"{name}: told as paid, the books keep {captured - returned}")
        if state in ("not_paid", "closed") and captured - returned:
            wrong.append(f"{name}: told as not paid, the books keep {captured - returned}")
        if state == "reversed" and not (captured == returned > 0):
            wrong.append(f"{name}: told as given back, captured {captured}, returned {returned}")
        if state == "refunded" and captured != returned:
            wrong.append(f"{name}: told as refunded, the books keep {captured - returned}")
        if settled and state in OPEN:
            wrong.append(f"{name}: still open")
        if payment["safe_to_retry"] and captured - returned:
            wrong.append(f"{name}: the shop may charge again while the channel keeps money")
    wrong += [
        f"captured, and unknown to us: {number}"
        for number, order in orders.items()
        if order["captured_fen"] and number not in ours
    ]
    amounts = {payment["merchant_order_no"]: payment["amount"] for payment in payments}
    wrong += [
        f"sale {sale} captured more than once, net: {kept}"
        for sale, kept in kept_by_sale.items()
        if kept > amounts[sale]
    ]
    return wrong


COUNTED_GAPS_MS = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)


def manners(books: dict, gap_ms: int, most: int) -> list[str]:
    """From the channel's log: the least gap between two queries of one order, and the budget of each order."""
    wrong, times = [], defaultdict(list)
    for request in books["requests"]:
        if request["method"].endswith("trade.query"):
            times[request["out_trade_no"]].append(request["at_ms"])
    for number, at in times.items():
        wrong += [
            f"{number}: two queries {later - earlier} ms apart"
            for earlier, later in itertools.pairwise(at)
            if later - earlier < gap_ms
        ]
        if len(at) > most:
            wrong.append(f"{number}: {len(at)} queries")
    return wrong


def counted_manners(books: dict) -> list[str]:
    """UnionPay: six queries of an order at most before it is reversed, each after a longer gap (1 to 32 s)."""
    wrong, times, reversed_ = [], defaultdict(list), set()
    for request in books["requests"]:
        number = request["out_trade_no"]
        if request["method"] == "trade.reverse":
            reversed_.add(number)
        elif request["method"] in ("trade.pay", "trade.query") and number not in reversed_:
            times[number].append(request["at_ms"])
    for number, at in times.items():
        if len(at) > 1 + len(COUNTED_GAPS_MS):
            wrong.append(f"{number}: {len(at) - 1} queries before a reversal")
        for (earlier, later), least in zip(itertools.pairwise(at), COUNTED_GAPS_MS, strict=False):
            if later - earlier < least:
                wrong.append(f"{number}: a query {later - earlier} ms after the last, at least {least}")
    return wrong


LEAST_GAP_MS = {"alipay": 3_000, "wechatpay": 5_000, "unionpay": 1_000}
WECHAT_UNDO_AFTER_MS = 15_000


def too_early(books: dict) -> list[str]:
    """WeChat Pay: no undo within 15 s of the payment."""
    wrong, paid = [], {}
    for request in books["requests"]:
        number, method, at = request["out_trade_no"], request["method"], request["at_ms"]
        if method.endswith("trade.pay"):
            paid[number] = at
        if method.endswith("trade.reverse") and at - paid.get(number, 0) < WECHAT_UNDO_AFTER_MS:
            wrong.append(f"{number}: undone {at - paid[number]} ms after its payment")
    return wrong


def blind_undos(books: dict) -> list[str]:
    """Undos that do not follow a query of their order. (A channel that was killed may not have heard the query.)"""
    wrong, last = [], {}
    for request in books["requests"]:
        number, method = request["out_trade_no"], request["method"]
        undo = method.endswith(("trade.reverse", "trade.cancel"))
        if undo and request.get("channel") != "unionpay" and not last.get(number, "").endswith("trade.query"):
            wrong.append(f"{number}: an undo after {last.get(number, 'nothing')}, not after a query")
        last[number] = method
    return wrong


def all_manners(books: dict, most: int = 30) -> list[str]:
    """Each channel by its own rules; a row without a channel is Alipay's."""
    wrong = []
    for channel, gap_ms in LEAST_GAP_MS.items():
        rows = {"requests": [row for row in books["requests"] if row.get("channel", "alipay") == channel]}
        wrong += manners(rows, gap_ms, most)
        wrong += {"unionpay": counted_manners, "wechatpay": too_early}.get(channel, lambda _: [])(rows)
    return wrong


def main() -> int:
    api, key, books_file = sys.argv[1:4]
    with open(books_file, encoding="utf-8") as file:
        books = json.load(file)
    acknowledged = set(books.pop("acknowledged", []))
    payments = all_payments(api, key)
    wrong = judge(payments, books, acknowledged, "--settled" in sys.argv) + all_manners(books)
    for line in wrong:
        print(line)
    print(f"judged {len(payments)} payments against {len(books['orders'])} orders: {len(wrong)} contradictions")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
