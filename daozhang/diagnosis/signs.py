"""Signs: what the facts show, one value in each family. A cause's file says which values it would show, and how often.

The three steps of every explanation read them: *hop* (where did the information stop?), *blast* (who else? see `window`),
and *codes, notices, telemetry*. A family without a value is a fact that nobody has; it speaks for and against nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from daozhang.core.evidence import Op, Proves
from daozhang.core.payment import State
from daozhang.diagnosis.facts import DARK_MS, SILENT_MS, Call, Crowd, Facts, Terminal, first, untold

# What a cause is looked for in: a payment or its till; what becomes of the money afterwards; a merchant's program that we
# tell; a code plate on the wall (`standing`).
TAKING, FUNDS, RECEIVER, PLATE = "taking", "funds", "receiver", "plate"
FIELDS = (TAKING, FUNDS, RECEIVER, PLATE)

# Every family and its values; a cause file that names another is refused.
FAMILIES: Mapping[str, tuple[str, ...]] = {
    # the first link that does not prove that it saw the payment
    "hop": ("us", "out", "channel", "reply", "said", "payer", "absent", "notify", "telling", "shop"),
    # how the first call that brought nothing ended
    "symptom": (
        "refused", "dns", "tls", "connect_timeout", "read_timeout", "reset", "cut", "unverified", "unseen",
        "http_503", "http_5xx", "error",
    ),
    # the cause that the channel's own words name, by its table of codes
    "said": (),
    # whether what we asked afterwards was answered
    "later": ("answered", "silent", "mixed"),
    # whether the channel knew the order when it answered afterwards
    "order": ("known", "absent"),
    # how long the channel took to answer this payment
    "pace": ("normal", "slow"),
    # an announced window of maintenance that holds now
    "notice": ("platform", "bank", "none"),
    # the smallest place that explains all dark payments and none of the healthy ones
    "blast": ("one", "terminal", "shop", "software", "carrier", "region", "bank", "channel", "all"),
    # how much of the place is dark
    "share": ("most", "half", "few"),
    # a probe from elsewhere
    "probe": ("answers", "silent"),
    # our own software was changed shortly before
    "release": ("recent", "none"),
    # the till's device
    "power": ("good", "low"),
    "line": ("good", "weak", "slow", "lossy"),
    "sim": ("active", "suspended"),
    "data": ("left", "none"),
    "clock": ("right", "skewed"),
    "software": ("current", "old"),
    "standing": ("active", "other"),
    "parts": ("good", "scanner", "printer", "driver", "config"),
    "gone": ("here", "lost", "closed"),
    "uptime": ("restarted", "kept"),
    # what the device told when it came back
    "returned": ("power", "network", "sim", "data", "dns", "tls"),
    # telling: what became of the announcement
    "speaker": ("played", "muted", "offline", "unbound", "silent", "failed"),
    # the notify of an order whose result came by query
    "notify": ("never", "late"),
    # the merchant's settlement account, as its bank's words tell
    "account": ("good", "invalid", "other"),
    # the last payout
    "payout": ("waiting", "sent", "arrived", "returned"),
    "hold": ("none", "held"),
    # what is to be settled, against the least payout
    "balance": ("enough", "below"),
    # whether banks pay in today, and whether the money came before the day's cut-off
    "day": ("workday", "holiday"),
    "hour": ("before", "after"),
    # the paying bank's quota
    "capacity": ("free", "full"),
    # what the merchant's program answers
    "receiver": ("well", "failing", "refusing"),
    # what the code plate on the wall reads as
    "plate": ("own", "other"),
}  # fmt: skip

# What is usual where a cause's file does not name the family: nearly every device is well, nearly no bank has a notice.
USUAL: Mapping[str, Mapping[str, float]] = {
    "notice": {"none": 0.97}, "release": {"none": 0.95}, "power": {"good": 0.95}, "line": {"good": 0.9},
    "sim": {"active": 0.99}, "data": {"left": 0.99}, "clock": {"right": 0.99}, "software": {"current": 0.95},
    "standing": {"active": 0.99}, "parts": {"good": 0.97}, "gone": {"here": 0.95}, "pace": {"normal": 0.8},
    # What was told of a thing that stands is not there by chance.
    "account": {"good": 0.998}, "payout": {"waiting": 0.5, "sent": 0.2, "arrived": 0.298}, "hold": {"none": 0.998},
    "balance": {"enough": 0.998}, "day": {"workday": 0.998}, "hour": {"before": 0.998}, "capacity": {"free": 0.998},
    "receiver": {"well": 0.998}, "plate": {"own": 0.998},
}  # fmt: skip

_SYMPTOMS = {
    "CONNECT_REFUSED": "refused", "DNS_FAILURE": "dns", "TLS_HANDSHAKE_FAILED": "tls", "CONNECT_TIMEOUT": "connect_timeout",
    "READ_TIMEOUT": "read_timeout", "CONNECTION_RESET_AFTER_SEND": "reset", "HTTP_BODY_TRUNCATED": "cut",
    "HTTP_BODY_UNREADABLE": "unverified", "HTTP_BODY_TOO_LONG": "unverified", "HTTP_503": "http_503",
}  # fmt: skip
# The first link that does not prove anything, from how the call ended; every other end is the channel's own word.
_HOP_OF = {
    "refused": "out", "dns": "out", "tls": "out", "connect_timeout": "out", "read_timeout": "channel", "reset": "channel",
    "cut": "reply", "unverified": "reply",
}  # fmt: skip
# Words of our own transport: they name a link, not a party.
_OWN_WORDS = frozenset({"info.reply_lost", "us.egress", "info.reply_unreadable", ""})
_SLOW_MS = 2_000
_SOON_MS = 25_000
_LOW_BATTERY = 15
_WEAK_DBM, _SLOW_RTT_MS, _LOSSY = -105, 800, 0.05
_SKEW_MS = 60_000
_RELEASE_MS = 900_000
_RESTARTED_S = 600
_LATELY_MS = 600_000  # a device that came back so lately still tells why it was away
LEAST_SOFTWARE = (1, 2)


@dataclass(frozen=True, slots=True)
class Sign:
    """One value of a family and the evidence lines that show it."""

    value: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signs:
    """``shown``: a value for each family that something is known about. ``fits``: log-likelihoods of the blast radius.
    ``about``: one of FIELDS."""

    shown: Mapping[str, Sign]
    fits: Mapping[str, float] = field(default_factory=dict)
    about: str = TAKING


def signs(facts: Facts) -> Signs:
    """What the facts show about why there was no information."""
    calls = facts.calls
    doubtful = _doubtful(calls)
    found: dict[str, Sign] = {}
    _put(found, "hop", *_hop(facts, calls, doubtful))
    if doubtful is not None:
        _put(found, "symptom", symptom(doubtful.code, doubtful.alarm, doubtful.hint), doubtful.id)
        if doubtful.hint not in _OWN_WORDS and not doubtful.alarm:
            _put(found, "said", doubtful.hint, doubtful.id)
        _put(found, "later", *_later(calls, doubtful, facts.around.crowd))
        _put(found, "order", *_order(calls, doubtful))
    elif facts.payment.doubt is not None:
        _of_row(found, facts.payment.doubt)
    _put(found, "pace", *_pace(calls))
    if found.get("hop", Sign("")).value == "notify":
        heard = [line.id for line in facts.lines if line.kind == "notified"]
        _put(found, "notify", "late" if heard else "never", *heard[:1])
    found |= _around(facts)
    if found.get("hop", Sign("")).value == "telling":
        found |= _telling(facts)
    return Signs(found, _crowd(found, facts))


def _crowd(found: dict[str, Sign], facts: Facts) -> Mapping[str, float]:
    crowd = facts.around.crowd
    if crowd is None or found.get("hop", Sign("")).value == "telling":
        return {}  # other payments say nothing about a speaker
    _put(found, "share", crowd.share)
    return crowd.fits


def _put(found: dict[str, Sign], family: str, value: str, *lines: str) -> None:
    if value:
        found[family] = Sign(value, tuple(line for line in lines if line))


def _of_row(found: dict[str, Sign], doubt: Mapping[str, object]) -> None:
    """The evidence was not read: the row still remembers the first answer that proved nothing."""
    code, hint, alarm = (str(doubt.get(name) or "") for name in ("code", "hint", "alarm"))
    _put(found, "symptom", symptom(code, alarm, hint))
    if hint not in _OWN_WORDS and not alarm:
        _put(found, "said", hint)


def symptom(code: str, alarm: str = "", hint: str = "") -> str:
    """How a call that brought nothing ended, from its code."""
    if alarm:
        return "unverified"
    if code in _SYMPTOMS:
        return _SYMPTOMS[code]
    if code.startswith("HTTP_5"):
        return "http_5xx"
    if code == "NEVER_SENT" or hint == "us.egress":
        return "connect_timeout"
    if not code or hint == "info.reply_lost":
        return "read_timeout"
    return "error" if hint else "unseen"


def _doubtful(calls: list[Call]) -> Call | None:
    """The first answer that proved nothing: from there on there was no information."""
    for call in calls:
        if call.answered_ms and call.proves in (Proves.NOTHING, Proves.NOT_SENT) and call.op in ("pay", "query"):
            return call
        if call.proves in (Proves.CAPTURED, Proves.REFUSED):
            return None
    return None


def _hop(facts: Facts, calls: list[Call], doubtful: Call | None) -> tuple[str, ...]:
    """The first link that does not prove it saw the payment, and the lines that show it."""
    p = facts.payment
    pay = first(calls, Op.PAY)
    if p.state is State.CREATED:
        return ("us",)
    if doubtful is None and p.doubt is not None:
        return _hop_of_row(p.doubt)
    if doubtful is None and p.decided_ms - p.created_ms <= DARK_MS and untold(p, facts.around, facts.at_ms):
        return ("telling",)  # its proof came in time, and the telling did not
    known = p.seen or p.state is State.WAITING_PAYER or p.method.shown
    waiting = [call.id for call in calls if known and call.proves in (Proves.WAITING, Proves.SHOWN)]
    if doubtful is None and pay is not None and not pay.answered_ms and p.state is not State.SENT:
        return "us", pay.asked_id
    if waiting and (doubtful is None or calls.index(doubtful) > 0):
        late_notify = p.method.shown and any(call.proves == Proves.CAPTURED for call in calls)
        return ("notify" if late_notify else "payer", *waiting[:2])
    if doubtful is None:
        if untold(p, facts.around, facts.at_ms):
            return ("telling",)
        return ("payer",) if p.seen or p.state is State.WAITING_PAYER else ("",)
    if doubtful.proves == Proves.NOT_SENT:
        return "out", doubtful.id
    how = symptom(doubtful.code, doubtful.alarm, doubtful.hint)
    return _HOP_OF.get(how, "channel" if doubtful.silent else "said"), doubtful.id


def _telling(facts: Facts) -> dict[str, Sign]:
    """Paid, and the shop has not said that it knows: what became of the sentence, and how its device is."""
    found: dict[str, Sign] = {}
    speakers = [one for one in facts.around.terminals if one.speaks]
    mine = [one for one in speakers if one.till in ("", facts.payment.till)]
    paid = [one for one in facts.around.announcements if one.kind == "paid"]
    why = next((one.why for one in paid if one.why), "")
    if mine:
        found |= of_terminal(mine[0], facts.at_ms)
    if not paid and not mine and speakers:
        _put(found, "speaker", "unbound")
    elif why == "muted" or (mine and (mine[0].reported.get("muted") is True or mine[0].number("volume") == 0)):
        _put(found, "speaker", "muted")
    elif mine and found["gone"].value != "here":
        _put(found, "speaker", "offline")
    elif why:
        _put(found, "speaker", "failed")
    elif paid:
        _put(found, "speaker", "silent")
        if mine and mine[0].heard_ms <= max(one.at_ms for one in paid):
            del found["gone"]  # not heard since the sentence: that it counts as connected is its keepalive only
    return found


def _hop_of_row(doubt: Mapping[str, object]) -> tuple[str, ...]:
    code, hint, alarm = (str(doubt.get(name) or "") for name in ("code", "hint", "alarm"))
    return (_HOP_OF.get(symptom(code, alarm, hint), "said"),)


def _later(calls: list[Call], doubtful: Call, crowd: Crowd | None) -> tuple[str, ...]:
    """Were the questions after it answered, while others were dark too? One lost reply looks different from a channel that is gone."""
    over = crowd.over_ms if crowd is not None else 0
    after = [call for call in calls[calls.index(doubtful) + 1 :] if call.answered_ms and not 0 < over <= call.asked_ms]
    if not after:
        return ("",)
    # What is asked long afterwards tells that it is over, not what it was.
    near = [call for call in after if call.asked_ms - doubtful.answered_ms <= _SOON_MS] or after[:1]
    spoke = [call.spoke and not call.hint.startswith("platform.") for call in near]
    value = "answered" if all(spoke) else "mixed" if any(spoke) else "silent"
    return value, *(call.id for call in near[:2])


def _order(calls: list[Call], doubtful: Call) -> tuple[str, ...]:
    """The first answer afterwards that says whether the order ever came: before anything of ours undid it."""
    for call in calls[calls.index(doubtful) + 1 :]:
        if call.op != "query":
            break
        if call.spoke and call.proves and call.proves != Proves.NOTHING:
            return "absent" if call.proves == Proves.ABSENT else "known", call.id
    return ("",)


def _pace(calls: list[Call]) -> tuple[str, ...]:
    """From the body sent to the first byte, of calls that were answered."""
    took = [(float(call.trail["first_byte"]) - float(call.trail.get("sent_body", 0)), call.id) for call in calls
            if isinstance(call.trail.get("first_byte"), int | float)]  # fmt: skip
    if not took:
        return ("",)
    slowest, line = max(took)
    return "slow" if slowest >= _SLOW_MS else "normal", line


# -- around it ---------------------------------------------------------------------------------------------------------


def _around(facts: Facts) -> dict[str, Sign]:
    found: dict[str, Sign] = {}
    around, at = facts.around, facts.payment.created_ms
    holding = [one for one in around.notices if one.holds(at) or one.holds(facts.at_ms)]
    if around.notices:
        platform = any(one.party == "platform" and one.name == facts.payment.channel for one in holding)
        bank = any(one.party == "bank" for one in holding)
        _put(found, "notice", "platform" if platform else "bank" if bank else "none")
    if around.probe is not None:
        _put(found, "probe", "answers" if around.probe else "silent")
    if around.released_ms:
        _put(found, "release", "recent" if 0 <= at - around.released_ms <= _RELEASE_MS else "none")
    return found


def of_till(one: Terminal, now_ms: int, crowd: Crowd | None) -> Signs:
    """A till at work that is silent or ill: nothing of its sales reaches us, so its own last words and its neighbours tell."""
    found = {"hop": Sign("shop"), **of_terminal(one, now_ms)}
    if crowd is None:
        return Signs(found)
    _put(found, "share", crowd.share)
    return Signs(found, crowd.fits)


def of_terminal(one: Terminal, now_ms: int) -> dict[str, Sign]:
    """What a device of the till shows: its last words, and whether it still speaks. Last words stay true until corrected."""
    found: dict[str, Sign] = {}
    battery, mains = one.number("battery"), one.reported.get("mains")
    if battery is not None:
        _put(found, "power", "low" if battery <= _LOW_BATTERY and mains is not True else "good")
    _put(found, "line", _line(one))
    if one.reported.get("sim"):
        _put(found, "sim", "active" if one.reported["sim"] == "active" else "suspended")
    if one.number("data_left_mb") is not None:
        _put(found, "data", "none" if one.number("data_left_mb") == 0 else "left")
    skew = one.number("skew_ms")
    if skew is not None:
        _put(found, "clock", "skewed" if abs(skew) > _SKEW_MS else "right")
    version = _version(one.reported.get("software"))
    if version:
        _put(found, "software", "old" if version < LEAST_SOFTWARE else "current")
    _put(found, "standing", "active" if one.standing in ("active", "enrolling") else "other")
    _put(found, "parts", _parts(one))
    silent = not one.online or now_ms - one.heard_ms > SILENT_MS
    back = not silent and one.offline_ms and now_ms - one.offline_ms < _LATELY_MS and one.number("uptime_s") is not None
    why = "closed" if "disconnect" in one.offline_why else "lost"
    _put(found, "gone", why if silent or back else "here")
    if one.reported.get("lost_by") in FAMILIES["returned"]:
        _put(found, "returned", str(one.reported["lost_by"]))
    uptime = one.number("uptime_s")
    if uptime is not None and not silent and one.offline_ms:
        _put(found, "uptime", "restarted" if uptime < min(_RESTARTED_S, (now_ms - one.offline_ms) / 1000 + 1) else "kept")
    return found


def _line(one: Terminal) -> str:
    signal, rtt, loss = one.number("signal_dbm"), one.number("rtt_ms"), one.number("loss")
    if loss is not None and loss >= _LOSSY:
        return "lossy"
    if signal is not None and signal < _WEAK_DBM:
        return "weak"
    if rtt is not None and rtt >= _SLOW_RTT_MS:
        return "slow"
    return "" if signal is None and rtt is None and loss is None else "good"


def _parts(one: Terminal) -> str:
    for part in ("scanner", "printer"):
        if one.reported.get(part) in ("broken", "no_paper", "offline"):
            return part
    if one.reported.get("driver") in ("missing", "failed", "mismatch"):
        return "driver"
    if one.reported.get("config") in ("rejected", "wrong"):
        return "config"
    return "good"


def _version(text: object) -> tuple[int, ...]:
    parts = text.split(".") if isinstance(text, str) else []
    return tuple(int(part) for part in parts) if parts and all(part.isdecimal() for part in parts) else ()
