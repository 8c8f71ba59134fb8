"""The files of a day or a month as Alipay gives them: business detail (trade) and fund flow (signcustomer), each with its
summary, in a zip with GBK names and GBK content (dossier 1.3; the fund flow from files that other people have shown).

Values are padded with a tab, nothing is quoted: a comma in a name makes its line longer than the header.
"""

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from daozhang.channels.alipay.twin.books import Books, Order
from daozhang.channels.alipay.twin.trade import BEIJING, Failed, Reply, beijing
from daozhang.channels.twin import Said

PATH = "/bill/download"
RATE = 38  # parts of 10,000
_LINK_LIVES_MS = 30_000
_READY_HOUR = 9
_MONTH_READY_DAY = 3
_TRADE = "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
_TRADE_SUM = "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,商家优惠（元）,卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）"
_FLOW = "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,账户余额（元）,交易渠道,业务类型,备注"
_FLOW_SUM = "类型,收入笔数,收入金额（+元）,支出笔数,支出金额（-元）,总金额（元）"
_TYPES = {"交易付款": "在线支付", "交易退款": "交易退款", "收费": "收费", "退费": "退费"}


class Line(NamedTuple):
    """Something that moved: a payment, or (``back``) money given back; ``request`` names the refund."""

    at_ms: int
    order: Order
    amount_fen: int
    fee_fen: int = 0  # taken from a payment; below zero where it is given back
    back: bool = False
    request: str = ""


def lines(books: Books, span: str) -> list[Line]:
    """Everything of one day (``yyyy-MM-dd``) or month (``yyyy-MM``) of China, in order."""
    found = [line for order in books.orders.values() for line in _of(order) if beijing(line.at_ms).startswith(span)]
    return sorted(found, key=lambda line: (line.at_ms, line.order.out_trade_no, line.back))


def _of(order: Order) -> Iterator[Line]:
    """The parts of a full refund give the fee back exactly."""
    fee, gone = (order.captured_fen * RATE + 5_000) // 10_000, 0
    if order.captured_fen:
        yield Line(order.paid_ms, order, order.captured_fen, fee)
    undone = order.returned_fen - sum(order.refunds.values())
    for request, amount in [*order.refunds.items(), *([("", undone)] if undone > 0 else [])]:
        before, gone = _share(fee, gone, order.captured_fen), gone + amount
        at = order.refund_times.get(request, order.last_refund_ms) if request else order.closed_ms
        yield Line(at, order, amount, before - _share(fee, gone, order.captured_fen), True, request)


def _share(fee: int, part: int, whole: int) -> int:
    return (2 * fee * part + whole) // (2 * whole)


def spoilt(found: list[Line], mode: str) -> list[Line]:
    """What a wrong file holds."""
    if mode == "bill_missing":
        return found[1:]
    if mode == "bill_extra" and found:
        stranger = replace(found[0].order, out_trade_no="DZ00000000000000000000000000", trade_no=f"2025{0:024d}")
        return [*found, found[0]._replace(order=stranger)]
    if mode == "bill_amount" and found:
        return [found[0]._replace(amount_fen=found[0].amount_fen + 100), *found[1:]]
    if mode == "bill_twice" and found:
        return [found[0], found[0]._replace(order=replace(found[0].order, trade_no=f"2025{9:024d}")), *found[1:]]
    if mode == "bill_poison" and found:
        named = found[0]._replace(order=replace(found[0].order, subject="红茶,大杯,去冰"))
        broken = found[0]._replace(order=replace(found[0].order, out_trade_no="读不懂", trade_no="?"))
        return [named, broken, named, *found[1:]]
    return found


class Bills:
    """Links that live for half a minute, and the files behind them."""

    def __init__(self, books: Books, rand: Callable[[int], bytes], seller_id: str) -> None:
        self._books, self._rand, self._seller_id = books, rand, seller_id
        self._links: dict[str, tuple[int, str, str, str]] = {}

    def link(self, biz: Mapping[str, Any], now: int, mode: str, base_url: str) -> Reply:
        """Raises Failed."""
        kind, span = str(biz.get("bill_type", "")), str(biz.get("bill_date", ""))
        ready = _ready(span)
        if kind not in ("trade", "signcustomer") or ready is None:
            raise Failed("INVAILID_ARGUMENTS", "入参不合法")
        if now < ready or mode == "bill_not_ready":
            raise Failed("BILL_NOT_EXIST", "账单不存在")
        if not lines(self._books, span):
            raise Failed("NO_BILL_DATA", "无账单数据")
        token = self._rand(16).hex()
        self._links = {name: told for name, told in self._links.items() if told[0] > now}
        self._links[token] = now + _LINK_LIVES_MS, kind, span, mode
        return {"code": "10000", "msg": "Success", "bill_download_url": f"{base_url}{PATH}?token={token}"}

    def file(self, target: str, now: int) -> Said:
        token = parse_qs(urlsplit(target).query).get("token", [""])[0]
        until, kind, span, mode = self._links.get(token, (0, "", "", ""))
        if now >= until:
            return Said(403, (("Content-Type", "text/plain"),), b"the link has expired")
        content = packed(spoilt(lines(self._books, span), mode), kind, span, self._seller_id, now)
        return Said(200, (("Content-Type", "application/zip"),), content[: len(content) // 2] if mode == "bill_cut" else content)


def _ready(span: str) -> int | None:
    """When the file of a day or a month is there; None for what is neither."""
    try:
        first = datetime.strptime(span, "%Y-%m-%d" if len(span) == 10 else "%Y-%m").replace(tzinfo=BEIJING)
    except ValueError:
        return None
    if len(span) == 10:
        return _ms(first + timedelta(days=1, hours=_READY_HOUR))
    if len(span) != 7:
        return None
    return _ms(_month_after(first) + timedelta(days=_MONTH_READY_DAY - 1, hours=_READY_HOUR))


def _month_after(first: datetime) -> datetime:
    return (first + timedelta(days=31)).replace(day=1)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


# -- the files ---------------------------------------------------------------------------------------------------------


class _GbkInfo(zipfile.ZipInfo):
    """A name in GBK without the mark for UTF-8, as the channel writes it."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("gbk"), self.flag_bits & ~0x800


def packed(found: list[Line], kind: str, span: str, seller_id: str, now: int) -> bytes:
    """Detail and summary in one zip."""
    word, detail, summary = ("业务", _trade(found), _trade_summary(found)) if kind == "trade" else ("账务", *_flow(found))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, body, title in (("明细", detail, "明细"), ("明细(汇总)", summary, "汇总")):
            info = _GbkInfo(f"{seller_id}0156_{span.replace('-', '')}_{word}{name}.csv")
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, _whole(body, f"{word}{title}", span, seller_id, now).encode("gbk", "replace"))
    return out.getvalue()


def _whole(body: tuple[list[str], list[str]], word: str, span: str, seller_id: str, now: int) -> str:
    rows, totals = body
    first = datetime.strptime(span, "%Y-%m-%d" if len(span) == 10 else "%Y-%m")
    last = first + timedelta(days=1) if len(span) == 10 else _month_after(first)
    told = [f"#支付宝{word}查询", f"#账号：[{seller_id}0156]", f"#起始日期：[{_spoken(first)}]   终止日期：[{_spoken(last)}]",
            f"#-----------------------------------------{word}列表----------------------------------------", *rows,
            f"#-----------------------------------------{word}列表结束------------------------------------", *totals,
            f"#导出时间：[{_spoken(datetime.fromisoformat(beijing(now)))}]"]  # fmt: skip
    return "".join(f"{line}\r\n" for line in told)


def _spoken(moment: datetime) -> str:
    return f"{moment:%Y}年{moment:%m}月{moment:%d}日 {moment:%H:%M:%S}"


def _trade(found: list[Line]) -> tuple[list[str], list[str]]:
    rows = [_TRADE, *(_trade_row(line) for line in found)]
    paid, back = _split(found)
    return rows, [f"#交易合计：{len(paid)}笔，商家实收共{yuan(_sum(paid))}元，商家优惠共0.00元",
                  f"#退款合计：{len(back)}笔，商家实收退款共{yuan(-_sum(back))}元，商家优惠退款共0.00元"]  # fmt: skip


def _trade_row(line: Line) -> str:
    order, amount = line.order, yuan(-line.amount_fen if line.back else line.amount_fen)
    values = {
        "支付宝交易号": f"{order.trade_no}\t", "商户订单号": f"{order.out_trade_no}\t", "业务类型": "退款" if line.back else "交易",
        "商品名称": _flat(order.subject), "创建时间": beijing(order.created_ms), "完成时间": beijing(line.at_ms),
        "对方账户": "*先生(159****5620)\t", "订单金额（元）": amount, "商家实收（元）": amount,
        "退款批次号/请求号": f"{line.request}\t", "服务费（元）": yuan(-line.fee_fen), "备注": "",
    }  # fmt: skip
    return ",".join(values.get(name, "0.00" if name.endswith("（元）") else "") for name in _TRADE.split(","))


def _trade_summary(found: list[Line]) -> tuple[list[str], list[str]]:
    paid, back = _split(found)
    net, fee = _sum(paid) - _sum(back), sum(line.fee_fen for line in found)
    told = [str(len(paid)), str(len(back)), yuan(net), yuan(net), "0.00", "0.00", "0.00", yuan(-fee), "0.00", yuan(net - fee)]
    return [_TRADE_SUM, ",".join(["", "", *told]), ",".join(["合计", "", *told])], []


def _flow(found: list[Line]) -> tuple[tuple[list[str], list[str]], tuple[list[str], list[str]]]:
    """Each payment and refund, followed by its fee; the balance runs on. Detail and summary."""
    rows, balance = [_FLOW], 0
    moves: dict[str, list[int]] = {word: [] for word in _TYPES}
    for at, line in enumerate(found):
        pair = (("交易退款", -line.amount_fen), ("退费", -line.fee_fen)) if line.back else (
            ("交易付款", line.amount_fen), ("收费", -line.fee_fen))  # fmt: skip
        for place, (word, move) in enumerate(pair):
            if move == 0:
                continue
            balance += move
            moves[word].append(move)
            order = line.order
            rows.append(",".join([
                f"{line.at_ms:013d}{2 * at + place:09d}\t", f"{order.trade_no}\t", f"{order.out_trade_no}\t", _flat(order.subject),
                beijing(line.at_ms), "*先生(159****5620)\t", yuan(max(move, 0)), yuan(min(move, 0)), yuan(balance), "支付宝",
                _TYPES[word], f"服务费[{order.trade_no}]" if place else "",
            ]))  # fmt: skip
    every = [move for word in moves.values() for move in word]
    out, came = [move for move in every if move < 0], [move for move in every if move > 0]
    totals = [f"#支出合计：{len(out)}笔，共{yuan(sum(out))}元", f"#收入合计：{len(came)}笔，共{yuan(sum(came))}元"]
    summary = [_FLOW_SUM, *(_flow_sum(_TYPES[word], told) for word, told in moves.items() if told), _flow_sum("合计", every)]
    return (rows, totals), (summary, [])


def _flow_sum(word: str, moves: list[int]) -> str:
    out, came = [move for move in moves if move < 0], [move for move in moves if move > 0]
    return ",".join([word, str(len(came)), yuan(sum(came)), str(len(out)), yuan(sum(out)), yuan(sum(moves))])


def _split(found: list[Line]) -> tuple[list[Line], list[Line]]:
    return [line for line in found if not line.back], [line for line in found if line.back]


def _sum(found: list[Line]) -> int:
    return sum(line.amount_fen for line in found)


def _flat(text: str) -> str:
    return " ".join(text.split())


def yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"
