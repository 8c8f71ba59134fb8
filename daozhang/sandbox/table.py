"""The faults that every acquirer meets sooner or later, by their numbers: each staged by one command on each channel that has it.

``daozhang chaos stage F6 --channel wechat`` turns on what its row lists and says which payer shows it; docs/faults.md is this table,
and tests/sim/test_faults_of_the_table.py plays every row on every channel and compares the books afterwards.
"""

import sys
from typing import Any, NamedTuple

from daozhang.channels.shelf import Shelf
from daozhang.channels.twin import Twin


class Turn(NamedTuple):
    """One fault of a twin that a row turns on. ``for_ms`` 0: until it is turned off; ``op`` empty: as the mode says."""

    mode: str
    op: str = ""
    share: float = 1.0
    for_ms: int = 0


class Row(NamedTuple):
    """``payer``: the habit that shows it. ``zh``/``en``: what happens; ``sees_zh``/``sees_en``: what the shop then sees."""

    zh: str
    en: str
    sees_zh: str
    sees_en: str
    turns: tuple[Turn, ...] = ()
    payer: str = "pays"


_THREE_MINUTES = 180_000
TABLE: dict[str, Row] = {
    "F1": Row("已扣款,应答丢失", "charged, and the reply is lost", "正在核实,查询后收款成功,只扣一次", "checking, then paid by a query; charged once",
              (Turn("lost_after", "pay"),)),
    "F2": Row("请求没到渠道就丢了", "the request is lost before the channel", "正在核实,然后没收到钱,可以重收", "checking, then not paid; safe to charge again",
              (Turn("lost_before", "pay"),)),
    "F3": Row("顾客25秒后才输对密码", "the payer types the password after 25 s", "等顾客付款,然后收款成功", "waiting for the payer, then paid",
              (), "types_slowly"),
    "F4": Row("顾客一直不付,撤销成功后又被扣款", "never paid, and charged after an accepted undo", "问店家货给了没有;没人答就自动退回,净额为零",
              "the shop is asked about the goods; given back by policy, net nothing", (Turn("success_after_cancel"),), "hesitates"),
    "F5": Row("撤销和付款同时发生", "the undo and the payment cross", "要么收款成功,要么没收到钱,和渠道账上一致",
              "either paid or not paid, as in the channel's books", (), "pays_at_deadline"),
    "F6": Row("已扣款,查询三分钟一直说没付", "charged, and for three minutes the query says unpaid", "先别重收;不会有第二笔,最后和渠道账上一致",
              "do not charge again; no second charge, in the end as in the channel's books",
              (Turn("lost_after", "pay"), Turn("query_stale", "query", for_ms=_THREE_MINUTES), Turn("notify_lost", for_ms=_THREE_MINUTES))),
    "F7": Row("渠道维护", "the channel is under maintenance", "没收到钱,原因是平台维护", "not paid; the cause is maintenance of the platform", (Turn("maintenance"),)),
    "F8": Row("渠道一半请求失败", "half of the channel's requests fail", "每笔都有结果,查询不会变多", "every payment ends, and the channel is not asked more",
              (Turn("brown_out", share=0.5),), "hesitates"),
    "F9": Row("渠道每次慢8秒", "each answer of the channel takes 8 s", "正在核实,最后有结果;别的渠道不受影响", "checking, then a result; other channels go on as ever",
              (Turn("late_reply"),)),
    "F10": Row("同一通知同时来二十次", "the same notify comes twenty times at once", "只记一笔账,每次都答收到", "posted once, each time acknowledged",
               (Turn("notify_double"),)),
    "F11": Row("通知乱序:后一个先到", "notifies out of order", "状态只往前走", "the state never goes back", (Turn("notify_late"),)),
    "F12": Row("通知晚到或不来", "notifies late or never", "早已靠查询有了结果", "the result is known by a query long before",
               (Turn("lost_after", "pay"), Turn("notify_lost"))),
    "F13": Row("通知先于应答", "the notify comes before the reply", "收款成功,只记一笔账", "paid, posted once", (Turn("notify_early"),)),
    "F14": Row("通知金额不对", "the notify names another amount", "不信它,留下告警,靠查询得到结果", "not believed, an alarm is kept, a query decides",
               (Turn("lost_after", "pay"), Turn("notify_wrong_amount"))),
    "F15": Row("平台证书轮换,新旧轮流签名(证书模式的账号)", "platform certificates change, old and new sign by turns (an account in certificate mode)",
               "新证书自动取到,没有一笔失败", "the new one is fetched by itself, and no payment fails", (Turn("rotating"),)),
    "F16": Row("故意发错签名的探测", "a wrong signature on purpose", "拒绝,不算数,靠查询得到结果", "refused, counts for nothing, a query decides",
               (Turn("signtest", "pay"), Turn("notify_signtest"))),
    "F19": Row("从未见过的结果码", "a code that nobody has seen", "当作不知道,靠查询得到结果,绝不当作成功或失败",
               "taken for unknown; a query decides; never taken for paid or refused", (Turn("unknown_code", "pay"),)),
    "F20": Row("渠道为同一笔交易扣了两次", "the channel charges one sale twice", "第二笔自动退回,并告诉店家", "the second goes back by itself, and the shop is told",
               (Turn("success_after_cancel", for_ms=80_000), Turn("not_found", "query", for_ms=80_000), Turn("notify_late")), "hesitates"),
}  # fmt: skip


def on_channel(number: str, twin: Twin) -> Row | None:
    """The row as this channel can show it: None where it has none of the row's faults."""
    row = TABLE[number]
    known = {mode["name"] for mode in twin.modes()}
    turns = tuple(turn for turn in row.turns if turn.mode in known)
    habits = {habit["name"] for habit in twin.behaviours()}
    return None if (row.turns and not turns) or row.payer not in habits else row._replace(turns=turns)


def stage(number: str, twin: Twin, now_ms: int) -> Row | None:
    """Turn on what the row lists; the row as staged, or None where the channel cannot show it."""
    row = on_channel(number, twin)
    for turn in row.turns if row is not None else ():
        twin.chaos(turn.mode, now_ms, turn.share, turn.for_ms, turn.op, "")
    return row


def picture(number: str, row: Row) -> dict[str, Any]:
    """The row for programs and people."""
    return {"name": number, "zh": row.zh, "en": row.en, "sees": {"zh": row.sees_zh, "en": row.sees_en}, "payer": row.payer,
            "modes": [turn.mode for turn in row.turns]}  # fmt: skip


_HEAD = {
    "zh": """# 每种故障,一条命令

沙箱里先布置故障,再付一笔,看收银台、播报和回调各说什么。`daozhang chaos off` 全部恢复。本页由 `python -m daozhang.sandbox.table zh` 生成。

| 编号 | 发生了什么 | 布置 | 付款 | 店里看到 | 渠道 |
|---|---|---|---|---|---|
""",
    "en": """# Every fault, one command

Stage a fault in the sandbox, pay, and see what the till, the speaker and the webhooks say. `daozhang chaos off` makes everything well.
This page is made by `python -m daozhang.sandbox.table en`.

| number | what happens | stage it | then pay | the shop sees | channels |
|---|---|---|---|---|---|
""",
}


def page(lang: str) -> str:
    """The table as the docs show it; ``lang``: zh or en."""
    twins = {channel.name: channel.twin.make_simulated("page", bytes) for channel in Shelf.look()}
    lines = []
    for number, row in TABLE.items():
        names = [name for name, twin in twins.items() if on_channel(number, twin) is not None]
        what, sees = (row.zh, row.sees_zh) if lang == "zh" else (row.en, row.sees_en)
        staged = f"`daozhang chaos stage {number} --channel {names[0]}`" if row.turns else "-"
        payer = f"`daozhang pay 12.50 --wallet {names[0]} --behaviour {row.payer}`"
        lines.append(f"| {number} | {what} | {staged} | {payer} | {sees} | {' '.join(names)} |\n")
    return _HEAD[lang] + "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(page(sys.argv[1] if sys.argv[1:] else "zh"))
