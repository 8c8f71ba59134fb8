"""One look at a roll-out: what its devices' own reports prove, whether it goes on, and when it stops by itself.

Nothing here asks or does: records in, a move out. A device is well when it *says* that it runs the new version; its word that
it has installed an image proves nothing about the image.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from daozhang.core.rollout import COMMAND_LIVES_MS, Kpi, Member, Move, Rolling, Rollout, Taking

ORDERS = ("update", "roll_back", "commit")  # what a roll-out commands; no person can
LOST_AFTER_MS = 90_000  # four heartbeats, and one more
_REACHED = frozenset({Taking.WELL, Taking.BAD})
_MOST_AT_ONCE = 200  # commands of one look, so that a stage of thousands is no storm


@dataclass(frozen=True, slots=True)
class Refusal:
    """Words for the reasons by which a roll-out stops."""

    zh: str
    en: str


WHY = {
    "forged": Refusal("有设备拒绝了镜像的签名", "a device refused the image's signature"),
    "bad_devices": Refusal("更新后不正常的设备过多", "too many devices are not well with it"),
    "offline": Refusal("更新后的设备掉线明显多于其他设备", "devices with it are away more often than the others"),
    "payments": Refusal("更新后的收银台付款成功率明显变低", "fewer payments succeed at tills that have it"),
    "announcements": Refusal("更新后的喇叭播报及时率明显变低", "fewer announcements are heard in time from speakers that have it"),
    "person": Refusal("有人中止了推送", "a person ended it"),
}


def target(rollout: Rollout, total: int) -> int:
    """How many devices this stage reaches: at least one."""
    return min(total, max(1, ceil(total * rollout.rules.stages[rollout.stage] / 100)))


def look(rollout: Rollout, members: Sequence[Member], kpi: Kpi, now_ms: int) -> Move:
    """What to do now. The same records always make the same move, so that whoever comes next carries on."""
    if rollout.state is Rolling.TURNING_BACK:
        return _turning(rollout, members, now_ms)
    if rollout.state is not Rolling.ROLLING:
        return Move(rollout)
    moved = {member.device: state for member in members if (state := _seen(rollout, member, now_ms)) is not None}
    now = [replace(one, state=moved[one.device][0], why=moved[one.device][1]) if one.device in moved else one for one in members]
    news = tuple((device, state, why) for device, (state, why) in moved.items())
    why = wrong(rollout, now, kpi)
    if why:
        stopped = replace(rollout, state=Rolling.TURNING_BACK, why=why, ended_ms=now_ms)
        return Move(stopped, news, event="rollout.stopped")
    reach = now[: target(rollout, len(now))]
    waiting = [one.device for one in reach if one.state is Taking.WAITING][:_MOST_AT_ONCE]
    if waiting:
        told = tuple((device, Taking.TOLD, "") for device in waiting)
        return Move(rollout, news + told, tuple(waiting), "update")
    if not _passed(rollout, reach, now_ms):
        return Move(rollout, news)
    if rollout.stage + 1 < len(rollout.rules.stages):
        return Move(replace(rollout, stage=rollout.stage + 1, stage_ms=now_ms), news, event="rollout.advanced")
    if any(one.state is Taking.TOLD for one in now):
        return Move(rollout, news)  # everybody gets a chance; a command that nobody fetched ends by itself
    well = tuple(one.device for one in now if one.state is Taking.WELL)
    return Move(replace(rollout, state=Rolling.DONE, ended_ms=now_ms), news, well if rollout.kind == "firmware" else (),
                "commit", "rollout.done")  # fmt: skip


def _seen(rollout: Rollout, one: Member, now_ms: int) -> tuple[Taking, str] | None:
    """What a device's report proves that is not written down yet."""
    if one.state not in (Taking.TOLD, Taking.WELL, Taking.BAD):
        return None
    runs = one.heard_ms > one.told_ms and _runs(rollout, one)
    if one.state is Taking.TOLD and one.outcome == "failed":
        return Taking.BAD, "refused: " + str(one.answer.get("why") or "?")[:30]
    if one.state is Taking.TOLD and (one.outcome == "expired" or (one.outcome != "done" and now_ms - one.told_ms > COMMAND_LIVES_MS)):
        return Taking.MISSED, "not there"
    if one.state is Taking.TOLD and rollout.kind == "firmware" and one.outcome != "done":
        return None
    if runs:
        return None if one.state is Taking.WELL else (Taking.WELL, "")
    if one.state is Taking.BAD:
        return None
    started = one.heard_ms > (one.outcome_ms + rollout.rules.boot_s * 1000 if one.state is Taking.TOLD else one.told_ms)
    if started and rollout.kind == "firmware":
        return Taking.BAD, "fell back to " + str(one.reported.get("software") or "?")[:30]
    since = one.outcome_ms or one.told_ms
    if one.state is Taking.TOLD and one.outcome == "done" and now_ms - since > LOST_AFTER_MS + rollout.rules.boot_s * 1000:
        return Taking.BAD, "lost"
    return None


def _runs(rollout: Rollout, one: Member) -> bool:
    if rollout.kind == "firmware":
        return one.reported.get("software") == rollout.version
    told = one.reported.get("config_n")
    return isinstance(told, int) and told >= one.config_n > 0


def wrong(rollout: Rollout, members: Sequence[Member], kpi: Kpi) -> str:
    """Why it has to stop, "" when it may go on."""
    rules = rollout.rules
    if any(one.why in ("refused: signature", "refused: hash") for one in members):
        return "forged"
    reached = [one for one in members if one.state in _REACHED]
    bad = sum(one.state is Taking.BAD for one in reached)
    if bad and bad * 100 >= rules.bad_percent * max(1, target(rollout, len(members))):
        return "bad_devices"
    others = [one for one in members if one.state is Taking.WAITING and one.heard_ms]
    if len(reached) >= rules.least_seen and others:
        away, usual = (100 * sum(not one.online for one in group) / len(group) for group in (reached, others))
        if away > usual + rules.worse_percent:
            return "offline"
    pairs = (("payments", kpi.decided, kpi.paid, kpi.others_decided, kpi.others_paid),
             ("announcements", kpi.announced, kpi.heard, kpi.others_announced, kpi.others_heard))  # fmt: skip
    for name, seen, good, others_seen, others_good in pairs:
        enough = seen >= rules.least_seen and others_seen >= rules.least_seen
        if enough and 100 * good / seen + rules.worse_percent < 100 * others_good / others_seen:
            return name
    return ""


def _passed(rollout: Rollout, reach: Sequence[Member], now_ms: int) -> bool:
    """Long enough, and nine of ten that can be reached are well; at least one is."""
    count = Counter(one.state for one in reach)
    here = count[Taking.WELL] + count[Taking.BAD] + sum(one.state is Taking.TOLD and one.online for one in reach)
    return now_ms - rollout.stage_ms >= rollout.rules.soak_s * 1000 and count[Taking.WELL] > 0 and count[Taking.WELL] * 10 >= here * 9


def _turning(rollout: Rollout, members: Sequence[Member], now_ms: int) -> Move:
    """Everybody who may have it goes back; who has never had it just leaves."""
    moved: list[tuple[str, Taking, str]] = []
    tell: list[str] = []
    open_ = 0
    for one in members:
        match one.state:
            case Taking.LEAVING if one.outcome == "expired" or now_ms - one.told_ms > COMMAND_LIVES_MS:
                moved.append((one.device, Taking.MISSED, "not there to go back"))
            case Taking.LEAVING if one.outcome in ("done", "failed") or _is_back(rollout, one):
                moved.append((one.device, Taking.BACK, one.why))
            case Taking.LEAVING if one.online or now_ms - max(one.told_ms, one.offline_ms) < LOST_AFTER_MS:
                open_ += 1  # whoever is away for long has its order waiting, and does not hold up the next roll-out
            case Taking.WAITING:
                moved.append((one.device, Taking.BACK, "never told"))
            case Taking.BAD if one.why.startswith(("refused", "fell back")):
                moved.append((one.device, Taking.BACK, one.why))
            case Taking.MISSED if one.why == "not there":
                moved.append((one.device, Taking.BACK, "never there"))
            case Taking.TOLD | Taking.WELL | Taking.BAD:
                open_ += 1
                if len(tell) < _MOST_AT_ONCE:
                    tell.append(one.device)
                    moved.append((one.device, Taking.LEAVING, one.why))
    if open_:
        return Move(rollout, tuple(moved), tuple(tell), "roll_back")
    return Move(replace(rollout, state=Rolling.TURNED_BACK), tuple(moved), event="rollout.turned_back")


def _is_back(rollout: Rollout, one: Member) -> bool:
    """A configuration is back when the device reports its newer number; firmware says so itself."""
    told = one.reported.get("config_n")
    known = isinstance(told, int) and told >= one.config_n
    return rollout.kind == "config" and (known or not one.online)  # whoever is away is told what it shall be when it comes
