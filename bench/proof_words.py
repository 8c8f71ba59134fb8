"""The Chinese of the record of the towns: planted bugs, kinds of towns, rare states."""

_BUGS = {
    "a read time-out means not paid": "读超时当作未收款",
    "the first not-found closes": "第一次查不到就关单",
    "an answer that proves nothing closes": "什么也没证明的应答就关单",
    "waiting counts as paid": "等付款人当作已收款",
    "the window's end closes without undoing": "窗口到期不撤销就关单",
    "a closed order is taken for paid": "已关的单当作已收款",
    "a returned charge is paid": "已退回的扣款当作已收款",
    "an undone order is always called returned": "撤销了的单一律说成已退回",
    "the captured amount is one fen off": "收到的金额差一分",
    "a late success is not told": "迟到的成功没有告知",
    "the query gap is forgotten": "忘了查询间隔",
    "at once means never": "“立刻”变成“永不”",
    "not found outranks a charge that was shown": "查不到压过了已见到的扣款",
    "a refused request is sent on and on": "被拒的请求一发再发",
    "an end is never looked at again": "有了结论就不再复查",
    "a captured order is told as not paid": "已收款说成未收款",
    "a refund in doubt is called failed": "不确定的退款说成失败",
    "a refund in doubt is called done": "不确定的退款说成成功",
    "a second refusal ends a refund that was done": "第二次被拒,结束了其实已成的退款",
    "paid is told twice": "收款告知了两次",
    "paid is not told": "收款没有告知",
    "the amount told is wrong": "告知的金额不对",
    "paid is told when it is asked": "刚去问就告知已收款",
    "postings are forgotten": "忘了记账",
    "timers of payments are forgotten": "忘了支付的定时",
    "the janitor drops what it leased": "看守丢下了领走的活",
    "a surplus stays with the shop": "多收的钱留在店里",
    "a surplus that was refused stays with the shop": "多收的被拒退后留在店里",
    "a question is never answered": "问题一直没人答",
    "a refund is not counted": "退款没有计入",
    "a refund under way is not reserved": "进行中的退款没有预留",
    "the done refund is not posted": "成功的退款没有记账",
    "doubt is not released": "存疑的金额没有放开",
    "the capture is posted twice": "收款记账两次",
    "a notify during an undo is thrown away when it comes again": "撤销中收到过的通知,再来时被丢掉",
    "an undo is believed against a younger notify": "信了撤销,不信更新的通知",
    "a pay request is repeated after a time-out": "超时后重发收款请求",
}
_FOUND_BY_THE_TOWN = " (found by the town)"
_TOWNS = {"": "各种", "storm": "风暴", "late": "迟到", "refunds": "退款"}
_SAID = {
    "the same key answers the same payment": "同一个键得到同一笔支付",
    "a second charge of a sale is refused": "同一单第二次收款被拒",
    "a QR is scanned": "扫了收款码",
    "late paid after a refusal or an undo": "被拒或撤销之后迟到的收款",
    "paid while an undo had been accepted": "撤销已受理,却收到了款",
    "a charge is seen while an undo may take it back": "见到扣款,而撤销可能把它退回",
    "a surplus goes back": "多收的退回",
    "two refunds of one payment": "一笔支付两次退款",
    "a refund in parts comes to the whole": "分几次退到全额",
    "the shop gives up early": "店里提前放弃",
    "an end is looked at again": "结论之后的复查",
    "the shop is asked about a late success": "迟到的成功去问店里",
    "two look-alike sales are pointed out": "指出两笔相像的买卖",
    "the pay request is sent twice because it never left": "收款请求没发出去,所以发了第二次",
    "an undo is tried three times": "撤销试了三次",
    "not found, three times": "三次查不到",
    "five queries in a row bring nothing": "连续五次查询没有结果",
    "twenty queries of one order": "一单查询二十次",
}
_STATES = {
    "created": "已登记", "sent": "已发出", "waiting_payer": "等付款人", "unknown": "结果未知", "reversing": "冲正中", "deferred": "转慢查", "paid": "已收款",
    "partly_refunded": "部分退款", "refunded": "全额退款", "not_paid": "未收款", "closed": "已关单", "reversed": "已冲正", "surplus": "多收",
    "waiting_funds": "等余额", "succeeded": "成功", "failed": "失败",
}  # fmt: skip
_OPS = {"pay": "收款", "query": "查询", "reverse": "撤销", "close": "关单", "refund": "退款", "refund_query": "退款查询", "notify": "通知"}
_PROVES = {
    "nothing": "什么也没证明", "not_sent": "没有发出", "captured": "已扣款", "refused": "拒绝,未扣款", "waiting": "等付款人", "shown": "码已出示", "absent": "查不到",
    "closed": "已关,未扣款", "returned": "已全额退回", "revoked": "已撤销,之前扣没扣不知道", "undone_unpaid": "已撤销,本来没扣款", "undone_paid": "已撤销,退回扣款",
    "undone_absent": "已撤销渠道不认得的单", "undone": "已撤销,扣没扣渠道没说", "undo_again": "还没撤完,再问", "undo_refused": "不给撤销", "refund_done": "已退",
    "refund_pending": "退款处理中", "refund_refused": "不给退", "refund_no_funds": "余额不足",
}  # fmt: skip


def bug(name: str) -> str:
    plain = name.removesuffix(_FOUND_BY_THE_TOWN)
    return _BUGS[plain] + ("(小镇自己找到的)" if plain != name else "")


def town(theme: str) -> str:
    return _TOWNS[theme]


def state(name: str) -> str:
    """Of a name in `daozhang.sim.rare`: one that is said whole, an answer, or a step from one state to another."""
    if name in _SAID:
        return _SAID[name]
    kind, _, rest = name.partition(" ")
    if kind == "answer:":
        op, proves = rest.split(" ")
        return f"应答:{_OPS[op]} → {_PROVES[proves]}"
    before, after = (_STATES[one] for one in rest.split(" then "))
    return f"{'退款' if kind == 'refund' else '一步'}:{before} → {after}"
