"""What is said of an incident: what we observe, and what each person does. Chinese and English say the same.

We say what we observe and since when, never what we suppose; nobody is told to charge an unproven payment again, and no payer
is accused. A cashier's sentence has at most 20 Chinese characters and begins with what to do.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

from daozhang.core.incident import Incident, Stage
from daozhang.diagnosis.cause import Words, get
from daozhang.diagnosis.sighting import NO_NOTIFY, WAITING
from daozhang.watch.counts import DARK, REFUSED

_SHOP_ZONE = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Names = Mapping[str, Words]  # a channel's words for people

_WHAT: Mapping[str, Words] = {
    DARK: {"zh": "收款结果回不来或来得很慢", "en": "results of payments do not come back, or come late"},
    WAITING: {"zh": "很多付款迟迟没有完成", "en": "many payments are not completed for long"},
    NO_NOTIFY: {"zh": "收款结果没有推送过来,要靠查询", "en": "results are not pushed and have to be asked for"},
    REFUSED: {"zh": "收款请求被技术性地拒绝", "en": "requests are refused for technical reasons"},
}
_PARTY: Mapping[str, Words] = {
    "platform": {"zh": "支付平台", "en": "the payment platform"}, "bank": {"zh": "发卡行", "en": "the issuing bank"},
    "clearing": {"zh": "清算网络", "en": "the clearing network"}, "us": {"zh": "我们自己", "en": "ourselves"},
    "network": {"zh": "店里的网络或运营商", "en": "the shop's network or its carrier"}, "device": {"zh": "终端设备", "en": "the devices"},
    "payee": {"zh": "商户的收款账户", "en": "the merchant's account"}, "risk": {"zh": "支付平台的风控", "en": "the platform's risk control"},
    "integration": {"zh": "接入程序", "en": "the integration"}, "operator": {"zh": "收银操作", "en": "how it is operated"},
    "payer": {"zh": "付款手机", "en": "the payers' phones"},
}  # fmt: skip
_AGAIN: Words = {"zh": "按结论处理,不要新建未结的那笔", "en": "Follow the verdicts; create nothing again while a payment is open"}
# By how far it reaches: a channel, a bank behind it, everything, one merchant's account, or a place in the field.
_ON: Mapping[str, Mapping[str, Words]] = {
    "channel": {
        "cashier": {"zh": "请顾客换个钱包,未结的别重收", "en": "Ask for another wallet; do not charge open ones again"},
        "payer": {"zh": "这个钱包付款可能变慢,请不要重复付", "en": "Paying with this wallet may be slow: please do not pay twice"},
        "merchant": {"zh": "先引导顾客用别的钱包,未结的等结论", "en": "Guide payers to another wallet; wait for the verdict of open ones"},
        "support": {"zh": "告诉来电人是支付渠道的问题,系统在逐笔核实", "en": "Tell callers that the channel has a problem and that each payment is being verified"},
        "operations": {"zh": "看渠道公告和探测,必要时联系渠道", "en": "See the channel's notices and the probes; call the channel if needed"},
    },
    "bank": {
        "cashier": {"zh": "请顾客换一种付法,未结的别重收", "en": "Ask to pay another way; do not charge open ones again"},
        "payer": {"zh": "可换一张卡或零钱付,请不要重复付", "en": "You may pay with another card or balance; please do not pay twice"},
        "merchant": {"zh": "请顾客换卡或零钱付,未结的等结论", "en": "Ask payers to use another card or balance; wait for the verdict of open ones"},
        "support": {"zh": "告诉来电人是一家发卡行的问题,系统在逐笔核实", "en": "Tell callers that one issuing bank has a problem and that each payment is being verified"},
        "operations": {"zh": "看这家银行的成功率和公告", "en": "See this bank's success rate and its notices"},
    },
    "all": {
        "cashier": {"zh": "先别重收,等系统出结果", "en": "Do not charge again; wait for the system's verdict"},
        "payer": {"zh": "收款暂时变慢,请不要重复付", "en": "Payments are slow at the moment: please do not pay twice"},
        "merchant": {"zh": "先收现金或稍后再收,未结的等结论", "en": "Take cash or charge later; wait for the verdict of open ones"},
        "support": {"zh": "告诉来电人我们正在处理,系统在逐笔核实", "en": "Tell callers that we are at work and that each payment is being verified"},
        "operations": {"zh": "检查我们的出口、证书和清算通道", "en": "Check our way out, certificates and the clearing network"},
    },
    "merchant": {
        "cashier": {"zh": "先用别的钱包,请店长看通知", "en": "Use another wallet and ask the manager to see the notice"},
        "payer": {"zh": "请换一种付款方式,不要重复付", "en": "Please pay another way, and not twice"},
        "merchant": {"zh": "检查渠道账户的状态和配置", "en": "Check the channel account's state and settings"},
        "support": {"zh": "请商户检查渠道账户", "en": "Ask the merchant to check the channel account"},
        "operations": {"zh": "核对这家商户的渠道账户", "en": "Check this merchant's channel account"},
    },
    "here": {
        "cashier": {"zh": "检查店里网络,未结的别重收", "en": "Check the shop's network; do not charge open ones again"},
        "payer": {"zh": "请稍等店里确认,不要重复付", "en": "Please wait for the shop to confirm; do not pay twice"},
        "merchant": {"zh": "检查店里的网络和终端", "en": "Check the shop's network and devices"},
        "support": {"zh": "请店里检查网络和终端,未结的等结论", "en": "Ask the shop to check network and devices and to wait for the verdicts"},
        "operations": {"zh": "看这些终端的心跳、网络和版本", "en": "See these devices' heartbeats, network and versions"},
    },
}  # fmt: skip
_MOST_SURE = 0.99  # what is observed from outside is never quite certain
_WATCHED: Mapping[str, Words] = {
    "cashier": {"zh": "可以照常收款,未结的等结论", "en": "Charge as usual; wait for the verdict of open ones"},
    "payer": {"zh": "付款已恢复,请勿为同一单再付", "en": "Paying works again; please do not pay the same order twice"},
    "merchant": {"zh": "照常收款;未结的系统会给结论", "en": "Charge as usual; open ones will get their verdict"},
    "support": {"zh": "告诉来电人已恢复,未结的在核实", "en": "Tell callers that it works again and that open ones are being verified"},
    "operations": {"zh": "再观察几分钟,看未结的是否都有结论", "en": "Watch some minutes more; see that open ones get their verdicts"},
}
_OVER: Mapping[str, Words] = {
    "cashier": {"zh": "可以照常收款", "en": "Charge as usual"},
    "payer": {"zh": "付款已恢复", "en": "Paying works again"},
    "merchant": {"zh": "无需操作", "en": "Do nothing: no action is needed"},
    "support": {"zh": "告诉来电人已恢复", "en": "Tell callers that it works again"},
    "operations": {"zh": "核对事件里的支付是否都有结论", "en": "See that the incident's payments all have a verdict"},
}


def people(one: Incident) -> dict[str, Words]:
    """What each person does now."""
    if one.stage is Stage.MONITORING:
        return {**_WATCHED, "developer": _AGAIN}
    if one.stage in (Stage.RESOLVED, Stage.MERGED):
        return {**_OVER, "developer": _AGAIN}
    reach = one.place if one.place in _ON else "here"
    return {**_ON[reach], "developer": _AGAIN}


def title(one: Incident, names: Names) -> Words:
    where, what = place_words(one, names), _WHAT.get(one.trouble, _WHAT[DARK])
    return {"zh": f"{where['zh']}:{what['zh']}", "en": f"{where['en']}: {what['en']}"}


def place_words(one: Incident, names: Names) -> Words:
    name = one.place_name
    if one.place == "channel":
        return names.get(name, {"zh": name, "en": name})
    if one.place == "bank":
        return {"zh": f"发卡行 {name}", "en": f"bank {name}"}
    if one.place == "all":
        return {"zh": "所有渠道", "en": "all channels"}
    zh = {"till": "收银台", "shop": "门店", "merchant": "商户", "software": "软件版本", "carrier": "运营商", "region": "地区"}[one.place]
    return {"zh": f"{zh} {name}", "en": f"{'software version' if one.place == 'software' else one.place} {name}"}


def observed(one: Incident, names: Names) -> Words:
    """One sentence for everybody: what we observe, since when, how far it reaches, and where we are with it."""
    where, what, at = place_words(one, names), _WHAT.get(one.trouble, _WHAT[DARK]), clock(one.onset_ms)
    yuan, stage = f"{one.amount_fen // 100}.{one.amount_fen % 100:02d}", _stage(one)
    zh_share, en_share = (f",占同期的 {one.share:.0%}", f", {one.share:.0%} of that time's payments there") if one.share else ("", "")
    return {
        "zh": f"我们观察到:北京时间 {at} 起,{where['zh']}{what['zh']};涉及 {one.shops} 家门店 {one.payments} 笔共 ¥{yuan}{zh_share}。{stage['zh']}",
        "en": f"We observe: since {at} Beijing time, {where['en']}: {what['en']}; {_many(one.payments, 'payment')} of {_many(one.shops, 'shop')}, CNY {yuan}{en_share}."
              f" {stage['en']}",
    }  # fmt: skip


def _stage(one: Incident) -> Words:
    match one.stage:
        case Stage.IDENTIFIED:
            party, cause = _PARTY.get(one.party, {"zh": one.party, "en": one.party}), get(one.cause)
            says = cause.says if cause is not None else {"zh": "", "en": ""}
            sure = min(one.probability, _MOST_SURE)
            return {"zh": f"看来在{party['zh']}({sure:.0%}):{says['zh']}。",
                    "en": f"It seems to lie with {party['en']} ({sure:.0%}): {says['en']}."}  # fmt: skip
        case Stage.MONITORING:
            at = clock(one.recovered_ms)
            return {"zh": f"{at} 起已恢复,继续观察。", "en": f"Since {at} it works again; we go on watching."}
        case Stage.RESOLVED:
            return {"zh": "已恢复。", "en": "It is over."}
        case Stage.MERGED:
            return {"zh": f"并入事件 {one.merged_into}。", "en": f"It is a part of {one.merged_into}."}
    return {"zh": "原因还在查。", "en": "We are looking for the reason."}


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def clock(at_ms: int) -> str:
    """The shop's wall time."""
    return f"{(_EPOCH + timedelta(milliseconds=at_ms)).astimezone(_SHOP_ZONE):%H:%M:%S}"
