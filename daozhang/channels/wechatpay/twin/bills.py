"""The files of the day: trade bill and fund-flow bill, as the channel writes them (dossier 2.3; fund flow from memory).

Every value stands behind a backtick and may hold commas; two last lines hold the totals; yuan with two decimals, the fee
with five.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from daozhang.channels.wechatpay.twin.books import Books, Order, Refund
from daozhang.channels.wechatpay.twin.faults import Failed
from daozhang.channels.wechatpay.twin.trade import beijing

RATE = 60  # parts of 10,000
_ALL = ["交易时间", "公众账号ID", "商户号", "特约商户号", "设备号", "微信订单号", "商户订单号", "用户标识", "交易类型", "交易状态", "付款银行", "货币种类", "应结订单金额", "代金券金额", "微信退款单号", "商户退款单号", "退款金额", "充值券退款金额", "退款类型", "退款状态", "商品名称", "商户数据包", "手续费", "费率", "订单金额", "申请退款金额", "费率备注"]
_REFUND_ONLY = ("微信退款单号", "商户退款单号", "退款金额", "充值券退款金额", "退款类型", "退款状态", "申请退款金额")
_TOTALS = ["总交易单数", "应结订单总金额", "退款总金额", "充值券退款总金额", "手续费总金额", "订单总金额", "申请退款总金额"]
_SUCCESS_TOTALS = ["总交易单数", "应结订单总金额", "手续费总金额", "订单总金额"]
_FLOW = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号"
)
_FLOW_TOTALS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"


class Line(NamedTuple):
    """One line of the day: a trade, a refund (``refund``), or an undo (``state`` REVOKED)."""

    at_ms: int
    order: Order
    state: str
    refund: Refund | None = None

    @property
    def fee(self) -> int:
        """In hundred-thousandths of a yuan; given back with a refund or an undo."""
        back = self.refund is not None or self.state == "REVOKED"
        amount = self.refund.amount_fen if self.refund is not None else self.order.amount_fen
        return (-1 if back else 1) * amount * RATE // 10


def lines(books: Books, date: str) -> list[Line]:
    """Everything that moved on one day of Beijing (``yyyy-MM-dd``), in order."""
    found = [line for order in books.orders.values() for line in _of(order) if f"{beijing(line.at_ms):%Y-%m-%d}" == date]
    return sorted(found, key=lambda line: (line.at_ms, line.order.out_trade_no))


def _of(order: Order) -> Iterator[Line]:
    if order.captured_fen:
        yield Line(order.paid_ms, order, "SUCCESS")
    if order.captured_fen and order.state == "REVOKED":
        yield Line(order.closed_ms, order, "REVOKED")
    for refund in order.refunds.values():
        yield Line(refund.created_ms, order, "REFUND", refund)


def spoilt(found: list[Line], mode: str) -> list[Line]:
    """What a wrong file holds."""
    if mode == "bill_missing":
        return found[1:]
    if mode == "bill_extra" and found:
        stranger = replace(found[0].order, out_trade_no="DZ00000000000000000000000000", transaction_id=f"42{0:026d}")
        return [*found, found[0]._replace(order=stranger)]
    if mode == "bill_amount" and found:
        return [found[0]._replace(order=replace(found[0].order, amount_fen=found[0].order.amount_fen + 100)), *found[1:]]
    if mode == "bill_twice" and found:
        return [found[0], found[0]._replace(order=replace(found[0].order, transaction_id=f"42{9:026d}")), *found[1:]]
    if mode == "bill_poison" and found:
        named = found[0]._replace(order=replace(found[0].order, description="红茶,大杯`去冰"))
        broken = found[0]._replace(order=replace(found[0].order, out_trade_no="读不懂", transaction_id="?"))
        return [named, broken, named, *found[1:]]
    return found


def trade_bill(found: list[Line], kind: str, appid: str, mchid: str) -> bytes:
    """``kind``: ALL, SUCCESS, REFUND. Raises Failed when the day has nothing."""
    wanted = [line for line in found if kind == "ALL" or (line.state == "SUCCESS") == (kind == "SUCCESS")]
    if not wanted:
        raise Failed("no_bill")
    names = [name for name in _ALL if kind != "SUCCESS" or name not in _REFUND_ONLY]
    if kind == "REFUND":
        names[14:14] = ["退款申请时间", "退款成功时间"]
    rows = [[_values(line, appid, mchid)[name] for name in names] for line in wanted]
    totals = _SUCCESS_TOTALS if kind == "SUCCESS" else _TOTALS
    return _file(",".join(names), rows, ",".join(totals), [_sums(wanted)[name] for name in totals])


def _values(line: Line, appid: str, mchid: str) -> dict[str, str]:
    order, refund = line.order, line.refund
    back, paid = line.state != "SUCCESS", line.state == "SUCCESS"
    amount = refund.amount_fen if refund is not None else order.amount_fen if back else 0
    status = {"PROCESSING": "PROCESSING", "ABNORMAL": "CHANGE"}.get(refund.status, "SUCCESS") if refund is not None else ""
    return {
        "交易时间": f"{beijing(line.at_ms):%Y-%m-%d %H:%M:%S}", "公众账号ID": appid, "商户号": mchid,
        "特约商户号": order.sub_mchid or "0", "设备号": "", "微信订单号": order.transaction_id, "商户订单号": order.out_trade_no,
        "用户标识": order.openid, "交易类型": order.trade_type, "交易状态": line.state, "付款银行": order.bank_type,
        "货币种类": "CNY", "应结订单金额": yuan(order.amount_fen - order.coupon_fen) if paid else "0.00",
        "代金券金额": yuan(order.coupon_fen) if paid else "0.00",
        "微信退款单号": refund.refund_id if refund is not None else "0",
        "商户退款单号": refund.out_refund_no if refund is not None else "0",
        "退款金额": yuan(amount), "充值券退款金额": "0.00", "退款类型": "ORIGINAL" if refund is not None else "",
        "退款状态": status, "商品名称": order.description, "商户数据包": order.attach, "手续费": _fee(line.fee),
        "费率": f"{RATE // 100}.{RATE % 100:02d}%", "订单金额": yuan(order.amount_fen) if paid else "0.00",
        "申请退款金额": yuan(amount), "费率备注": "", "退款申请时间": f"{beijing(line.at_ms):%Y-%m-%d %H:%M:%S}",
        "退款成功时间": f"{beijing(refund.done_ms):%Y-%m-%d %H:%M:%S}" if refund is not None and refund.done_ms else "",
    }  # fmt: skip


def _sums(found: list[Line]) -> dict[str, str]:
    paid = [line.order for line in found if line.state == "SUCCESS"]
    back = sum(line.refund.amount_fen if line.refund is not None else line.order.amount_fen
               for line in found if line.state != "SUCCESS")  # fmt: skip
    return {
        "总交易单数": str(len(found)), "应结订单总金额": yuan(sum(order.amount_fen - order.coupon_fen for order in paid)),
        "退款总金额": yuan(back), "充值券退款总金额": "0.00", "手续费总金额": _fee(sum(line.fee for line in found)),
        "订单总金额": yuan(sum(order.amount_fen for order in paid)), "申请退款总金额": yuan(back),
    }  # fmt: skip


def fund_flow(found: list[Line], mchid: str) -> bytes:
    """The account's own movements. Raises Failed when the day has nothing."""
    if not found:
        raise Failed("no_bill")
    rows, balance, came, went = [], 0, 0, 0
    for at, line in enumerate(found, 1):
        order, refund = line.order, line.refund
        amount = refund.amount_fen if refund is not None else order.amount_fen - order.coupon_fen
        income = line.state == "SUCCESS"
        balance += amount if income else -amount
        came, went = came + income, went + (not income)
        business = refund.refund_id if refund is not None else order.transaction_id
        proof = refund.out_refund_no if refund is not None else order.out_trade_no
        rows.append([
            f"{beijing(line.at_ms):%Y-%m-%d %H:%M:%S}", business, f"{business[:20]}{at:08d}",
            "交易" if income else "退款", "交易" if income else "退款", "收入" if income else "支出", yuan(amount),
            yuan(balance), mchid, "", proof,
        ])  # fmt: skip
    income_fen = sum(line.order.amount_fen - line.order.coupon_fen for line in found if line.state == "SUCCESS")
    totals = [str(len(rows)), str(came), yuan(income_fen), str(went), yuan(income_fen - balance)]
    return _file(_FLOW, rows, _FLOW_TOTALS, totals)


def _file(head: str, rows: list[list[str]], totals_head: str, totals: list[str]) -> bytes:
    written = [head, *(",".join(f"`{value}" for value in row) for row in rows), totals_head,
               ",".join(f"`{value}" for value in totals)]  # fmt: skip
    return b"\xef\xbb\xbf" + "".join(f"{line}\r\n" for line in written).encode()


def yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _fee(amount: int) -> str:
    """Hundred-thousandths of a yuan as ``0.07500``."""
    return f"{'-' if amount < 0 else ''}{abs(amount) // 100_000}.{abs(amount) % 100_000:05d}"
