"""The explanation in its three steps, for people, in both languages: hop, blast radius, codes and telemetry."""

from dataclasses import dataclass

from daozhang.diagnosis.cause import Words
from daozhang.diagnosis.facts import Crowd
from daozhang.diagnosis.signs import TAKING, Signs


@dataclass(frozen=True, slots=True)
class Step:
    """``step``: hop, blast or signs. ``says`` in both languages; ``evidence`` ids of lines that show it."""

    step: str
    says: Words
    evidence: tuple[str, ...] = ()


_HOP: dict[str, tuple[str, str]] = {
    "us": ("系统收到了这笔,但没有记下发给渠道之后的事", "we had the payment; what came after is not written down"),
    "out": ("系统收到了这笔,请求没有离开系统", "we had the payment; the request never left us"),
    "channel": ("请求已发出,渠道没有任何应答", "the request left us whole; not one byte came back"),
    "reply": ("渠道有应答,但内容不能采信", "something came back, and it cannot be believed"),
    "said": ("渠道有应答,但没有说明结果", "the channel answered, and its answer proves nothing"),
    "payer": ("渠道认得这笔,在等顾客确认", "the channel knows the payment and waits for the payer"),
    "absent": ("渠道说没有这笔", "the channel knows no such payment"),
    "notify": ("结果由查询得知,通知没有按时到", "a query brought the result; the notify did not come in time"),
    "telling": ("钱已收到,店里还没有确认听到", "the money came; nobody in the shop has said that they know"),
    "shop": ("终端没有新的消息到达系统", "nothing new from the terminal reaches us"),
}
_PLACE: dict[str, tuple[str, str]] = {
    "one": ("只有这一笔", "only this one"), "terminal": ("这台终端", "this terminal"), "shop": ("这家店", "this shop"),
    "software": ("同一版本的终端", "terminals of this software"), "carrier": ("同一运营商", "this carrier"),
    "region": ("同一地区", "this region"), "bank": ("一家银行", "one bank"), "channel": ("这个渠道", "this channel"),
    "all": ("所有渠道", "all channels"),
}  # fmt: skip
_SIGN: dict[tuple[str, str], tuple[str, str]] = {
    ("symptom", "read_timeout"): ("等应答超时", "no answer within the time allowed"),
    ("symptom", "reset"): ("发出后连接被断开", "the connection was cut after sending"),
    ("symptom", "dns"): ("域名解析不到", "the name could not be resolved"),
    ("symptom", "refused"): ("连接被拒绝", "the connection was refused"),
    ("symptom", "connect_timeout"): ("连接建立不了", "no connection could be made"),
    ("symptom", "tls"): ("加密连接没有建立", "TLS was not agreed"),
    ("symptom", "cut"): ("应答只到一半", "half an answer came"),
    ("symptom", "unverified"): ("应答没有通过核对", "the answer did not pass our checks"),
    ("symptom", "unseen"): ("没见过的结果码", "a code that nobody has seen"),
    ("symptom", "http_503"): ("渠道答复暂停服务(503)", "the channel says that it is out of service (503)"),
    ("symptom", "http_5xx"): ("渠道答复系统错误(5xx)", "the channel answers with an error (5xx)"),
    ("symptom", "error"): ("渠道答复系统异常", "the channel says that its system failed"),
    ("later", "answered"): ("之后的查询有应答", "later queries were answered"),
    ("later", "silent"): ("之后的查询也没有应答", "later queries were not answered either"),
    ("later", "mixed"): ("之后的查询时有时无", "later queries were answered in part"),
    ("order", "absent"): ("之后查询时渠道没有这笔", "afterwards the channel knew no such order"),
    ("order", "known"): ("之后查询时渠道有这笔", "afterwards the channel knew the order"),
    ("pace", "slow"): ("渠道应答很慢", "the channel was slow to answer"),
    ("notice", "platform"): ("渠道公告正在维护", "the channel has announced maintenance for now"),
    ("notice", "bank"): ("有银行公告正在维护", "a bank has announced maintenance for now"),
    ("probe", "answers"): ("从别处能连上渠道", "the channel answers a probe from elsewhere"),
    ("probe", "silent"): ("从别处也连不上渠道", "the channel is silent to a probe from elsewhere too"),
    ("release", "recent"): ("系统刚刚更新过", "our software was changed shortly before"),
    ("power", "low"): ("终端最后报的电量低", "the device's last word: battery low"),
    ("line", "weak"): ("终端信号弱", "the device's signal is weak"),
    ("line", "slow"): ("终端网络慢", "the device's network is slow"),
    ("line", "lossy"): ("终端网络丢包", "the device's network loses packets"),
    ("sim", "suspended"): ("终端报SIM卡停用", "the device's SIM is suspended"),
    ("data", "none"): ("终端流量用完", "the device has no data left"),
    ("clock", "skewed"): ("终端时钟不准", "the device's clock is wrong"),
    ("software", "old"): ("终端软件太旧", "the device's software is too old"),
    ("standing", "other"): ("终端没有绑定好", "the device is not bound as it should be"),
    ("parts", "scanner"): ("扫码头故障", "the scanner is broken"),
    ("parts", "printer"): ("打印机故障", "the printer is broken"),
    ("parts", "driver"): ("驱动不对", "a driver is missing or wrong"),
    ("parts", "config"): ("终端参数不对", "the device's settings are wrong"),
    ("gone", "lost"): ("终端失联", "the device is gone without a word"),
    ("gone", "closed"): ("终端自己断开", "the device hung up"),
    ("uptime", "restarted"): ("回来后是重新开机的", "it came back from a restart"),
    ("uptime", "kept"): ("回来后一直没有关机", "it came back without a restart"),
    ("returned", "power"): ("回来后说断过电", "it came back and says: power"),
    ("returned", "network"): ("回来后说断过网", "it came back and says: network"),
    ("returned", "sim"): ("回来后说SIM卡的问题", "it came back and says: SIM"),
    ("returned", "data"): ("回来后说流量用完", "it came back and says: no data"),
    ("returned", "dns"): ("回来后说域名解析不到", "it came back and says: DNS"),
    ("returned", "tls"): ("回来后说加密连接不上", "it came back and says: TLS"),
    ("speaker", "muted"): ("云音箱静音", "the speaker is muted"),
    ("speaker", "offline"): ("云音箱不在线", "the speaker is offline"),
    ("speaker", "unbound"): ("云音箱没有绑在这个收银台", "no speaker is bound to this till"),
    ("speaker", "silent"): ("云音箱没有回应", "the speaker has not answered"),
    ("speaker", "failed"): ("云音箱说没播成", "the speaker says that it could not play"),
    ("notify", "never"): ("通知一直没有来", "the notify never came"),
    ("notify", "late"): ("通知来晚了", "the notify came late"),
    ("account", "invalid"): ("银行说结算账户无效", "the bank says that the settlement account is not valid"),
    ("account", "other"): ("银行说户名或账号不符", "the bank says that name or number of the account differ"),
    ("payout", "waiting"): ("出款在等", "the payout waits"),
    ("payout", "returned"): ("银行退回了出款", "the bank returned the payout"),
    ("hold", "held"): ("出款被暂停", "payouts are on hold"),
    ("balance", "below"): ("待结算金额不到起付额", "what is to be settled is below the least payout"),
    ("day", "holiday"): ("今天银行不入账", "banks pay nothing in today"),
    ("hour", "after"): ("钱到得晚于当日截止时间", "the money came after the day's cut-off"),
    ("capacity", "full"): ("出款银行额度用完", "the paying bank's quota is used up"),
    ("receiver", "failing"): ("回调地址接连失败", "the webhook endpoint fails again and again"),
    ("receiver", "refusing"): ("回调地址拒绝了签名(401或403)", "the webhook endpoint refuses what we sign (401 or 403)"),
    ("plate", "other"): ("码牌读出别的内容", "the plate reads as something else"),
}


def explain(found: Signs, crowd: Crowd | None) -> tuple[Step, ...]:
    """What was looked at, in the order of the reasoning."""
    steps = []
    hop = found.shown.get("hop")
    if hop is not None:
        zh, en = _HOP[hop.value]
        steps.append(Step("hop", {"zh": zh, "en": en}, hop.lines))
    if found.about == TAKING:
        steps.append(_blast(found, crowd))
    said = found.shown.get("said")
    if said is not None:
        steps.append(Step("signs", {"zh": f"渠道的话指向 {said.value}", "en": f"the channel's words point to {said.value}"}, said.lines))
    for family, sign in found.shown.items():
        if (family, sign.value) in _SIGN:
            zh, en = _SIGN[family, sign.value]
            steps.append(Step("signs", {"zh": zh, "en": en}, sign.lines))
    return tuple(steps)


def _blast(found: Signs, crowd: Crowd | None) -> Step:
    if crowd is None or not found.fits or sum(crowd.counts.get("all", (0, 0))) == 0:
        return Step("blast", {"zh": "同一时段没有别的支付可比", "en": "there is nobody to compare with at that time"})
    # A bank is said only where its successes are seen to be missing; a part of a place alone names nobody.
    said = [name for name in found.fits if name != "bank" or crowd.bank]
    best = max(said, key=lambda name: found.fits[name])
    zh, en = _PLACE[best]
    dark, fine = crowd.counts.get(best, crowd.counts["all"])
    every_dark, every_fine = crowd.counts["all"]
    others_dark, others_fine = max(every_dark - dark, 0), max(every_fine - fine, 0)
    return Step("blast", {
        "zh": f"最能解释的范围:{zh}(别的支付里{dark}笔同样没有信息、{fine}笔正常;范围外{others_dark}笔、{others_fine}笔)",
        "en": f"what explains it best: {en} (of the others there {dark} were dark alike and {fine} fine; elsewhere {others_dark} and {others_fine})",
    })  # fmt: skip


def explain_rule(sure: str) -> tuple[Step, ...]:
    """Words or our own record decide: one step says so."""
    zh = "渠道已核验的答复或系统记录直接说明" if sure == "proven" else "渠道的答复指向它,答复对应几种可能" if sure == "likely" else "现有证据说明不了原因"
    en = {"proven": "verified words or our own record say so", "likely": "the channel's words point to it, and stand for several causes"}.get(
        sure, "what is known does not tell the cause"
    )
    return (Step("signs", {"zh": zh, "en": en}),)
