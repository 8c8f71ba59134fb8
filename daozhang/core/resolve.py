"""Finding out what happened to a payment: a procedure that asks and never does.

`resolve` yields what it wants to know (`Ask`) or how long it wants to wait (`Rest`) and is sent what was
answered. The server, the exhaustive walk and virtual time drive these same lines. The driver's side of the
contract: the payment inside a yielded `Ask` or `Rest` is durable *before* the question leaves or the wait begins,
so that whoever dies, another continues from the row by calling `resolve` again (promise P6).

`plan` says what comes next and when; `learn` says what an answer changes. Both are pure.
"""

from collections.abc import Generator
from dataclasses import dataclass

from daozhang.core.changed import changed
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.manners import Manners
from daozhang.core.must import must
from daozhang.core.payment import FOLLOWS, NOTHING_TAKEN, Method, Payment, State, Undone

_HOUR_MS = 3600 * 1000
_BEIJING_MS = 8 * _HOUR_MS
_DAY_MS = 24 * _HOUR_MS
_LEFT_LATE_MS = 1_000  # a question leaves so long after the time written down for it at most, but for a store that is unwell
_IN_A_ROW_MS = 6_000  # two answers further apart may have a charge between them which the second is too early to show
_SOON_MS = 3_000  # so that the second of them comes in that time, though a worker is late
ACCEPTED = frozenset({Undone.UNPAID, Undone.PAID, Undone.ABSENT})


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the channel; wait for the answer until ``deadline_ms`` at the latest. A finding comes back."""

    payment: Payment
    op: Op
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do before ``until_ms``. The time of waking comes back."""

    payment: Payment
    until_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for an `Ask`, and when."""

    finding: Finding
    at_ms: int


Talk = Generator["Ask | Rest", "Answer | int", Payment]


def resolve(payment: Payment, manners: Manners, now_ms: int, *, code_in_hand: bool) -> Talk:
    """Ask until something is proven and nothing is left to look at; return the payment as then known.

    ``code_in_hand``: the payer's code (never stored) is still in memory, so that a request which provably never
    left may be sent again. For a QR it is always true.
    """
    now = now_ms
    while (step := plan(payment, manners, now, code_in_hand)) is not None:
        op, at_ms = step
        if op is None:
            payment = never_left(payment, manners, now)
            continue
        if at_ms > now:
            woken = yield Rest(payment, at_ms)
            now = woken if isinstance(woken, int) else woken.at_ms
            continue
        payment = asking(payment, op, manners, now)
        deadline = manners.pay_deadline_ms if op is Op.PAY else manners.ask_deadline_ms
        answer = yield Ask(payment, op, now + deadline)
        now = answer if isinstance(answer, int) else answer.at_ms
        finding = Finding() if isinstance(answer, int) else answer.finding
        payment = learn(payment, op, finding, manners, now)
    return payment


# -- what comes next ------------------------------------------------------------------------------------------------


def plan(p: Payment, m: Manners, now: int, code_in_hand: bool) -> tuple[Op | None, int] | None:
    """The next question and its time; None when nothing is left to ask.

    ``(None, now)`` means: the request provably never left us and cannot be sent again.
    """
    if counted_out(p, m):
        return undo_verb(p, m), max(now, undo_free_ms(p, m))
    match p.state:
        case State.CREATED:
            return Op.PAY, now
        case State.SENT if p.send_out:
            return Op.QUERY, max(now, _next_query(p, m))  # the sender died, or its answer was never written down
        case State.SENT if code_in_hand and p.sends <= len(m.resend_after_ms) and not p.give_up:
            return Op.PAY, p.asked_ms + sum(m.resend_after_ms[: p.sends])
        case State.SENT:
            return None, now
        case State.WAITING_PAYER | State.UNKNOWN:
            return Op.QUERY, _next_query(p, m)
        case State.REVERSING:
            return _next_undo(p, m, now)
        case State.DEFERRED:
            return _next_deferred(p, m, now)
        case _:
            return (Op.QUERY, max(p.recheck_ms, polite_ms(p, m))) if p.recheck_ms else None


def polite_ms(p: Payment, m: Manners) -> int:
    """Before this time no query of the order may leave.

    The gap runs from the last query's answer as well: a commit that took long lets the question leave later than
    the time written down for it, and the channel counts from when it arrives. Where the asker died before it wrote the
    answer down, nothing says how late the question left.
    """
    if not p.last_query_ms:
        return 0
    gaps = _gaps(p, m)
    counted = p.state in (State.SENT, State.WAITING_PAYER, State.UNKNOWN) and p.queries < len(gaps)
    left = p.last_answer_ms if p.last_answer_ms >= p.last_query_ms else p.last_query_ms + _LEFT_LATE_MS
    return left + (gaps[p.queries] if counted else m.query_gap_ms)


def _gaps(p: Payment, m: Manners) -> tuple[int, ...]:
    """Of a channel that counts its queries: the pauses before each of them."""
    return m.qr_query_gaps_ms if p.method.shown else m.query_gaps_ms


def counted_out(p: Payment, m: Manners) -> bool:
    """No query is left before an undo (or the shop wants none), at a channel that counts: the undo needs no fresh one."""
    gaps = _gaps(p, m)
    if p.state is State.SENT:
        return p.send_out and 0 < len(gaps) <= p.queries
    return p.state in (State.WAITING_PAYER, State.UNKNOWN) and bool(gaps) and (p.give_up or p.queries >= len(gaps))


def _next_query(p: Payment, m: Manners) -> int:
    """The rhythm inside the window: never under the least gap, slower after blanks, and exactly one at the end."""
    least = polite_ms(p, m)
    if p.give_up or _over(p, p.last_query_ms):
        return max(least, p.asked_ms)  # at once; never 0, which would mean no timer
    gaps = _gaps(p, m)
    if gaps:
        return max(least, max(p.last_answer_ms, p.asked_ms) + gaps[min(p.queries, len(gaps) - 1)])
    if not p.queries:
        first = m.first_query_waiting_ms if p.state is State.WAITING_PAYER else m.first_query_ms
        return min(max(p.last_answer_ms, p.asked_ms) + first, max(p.window_end_ms, p.asked_ms))
    every = m.qr_every_ms if p.method.shown else m.every_ms
    rhythm = max(every, m.slow_ms) if p.blanks else every
    return max(least, min(p.last_query_ms + rhythm, p.window_end_ms))


def _next_undo(p: Payment, m: Manners, now: int) -> tuple[Op, int]:
    """Undo and query take turns: an undo leaves at once after a query, a query decides after every undo."""
    least = polite_ms(p, m)
    if _said_once(p, m):
        return Op.QUERY, max(least, p.last_query_ms + _SOON_MS)
    if p.undone in ACCEPTED:
        again = p.blanks or (_gaps(p, m) and p.last_query_ms > p.last_undo_ms)
        # Never 0, which would mean no timer: where queries are counted, an undo may leave before the first query.
        return Op.QUERY, max(least, p.last_query_ms + m.slow_ms) if again else max(least, p.last_undo_ms)
    if p.undo_tries and p.last_query_ms <= p.last_undo_ms:
        gap = m.undo_gaps_ms[min(p.undo_tries, len(m.undo_gaps_ms)) - 1]
        return Op.QUERY, max(least, p.last_undo_ms + gap)
    free = undo_free_ms(p, m)
    if now < free:
        return Op.QUERY, max(least, min(p.last_query_ms + m.every_ms, free))
    if now - p.last_answer_ms <= m.fresh_ms or _gaps(p, m):
        return undo_verb(p, m), now
    return Op.QUERY, max(now, least)  # we died between the last query and the undo: the last word is stale


def _next_deferred(p: Payment, m: Manners, now: int) -> tuple[Op, int]:
    """Asked less often. A capture seen here is no longer undone: it settles once no undo can be under way.

    Where the charge was only notified and the channel now knows no such order, an undo of ours was heard and its answer
    lost: the undo is repeated, for its answer tells.
    """
    undo_was_last = p.last_undo_ms >= p.last_query_ms
    if _said_once(p, m):
        return Op.QUERY, max(polite_ms(p, m), p.last_query_ms + _SOON_MS)
    if undo_was_last and p.undone in ACCEPTED:
        return Op.QUERY, max(polite_ms(p, m), p.last_query_ms + m.every_ms)
    taken = p.capture_seen and not p.absent
    undoable = p.undone not in ACCEPTED and not taken and may_undo(p, m, now)
    if undoable and not undo_was_last and now - p.last_answer_ms <= m.fresh_ms:
        return undo_verb(p, m), now
    age = max(p.last_answer_ms - p.first_undo_ms, 0)
    gap = next((gap for gap in m.deferred_gaps_ms if gap >= age // 8), m.deferred_gaps_ms[-1])
    return Op.QUERY, max(p.last_query_ms, p.last_undo_ms) + gap


def _said_once(p: Payment, m: Manners) -> bool:
    """Where "no such order" must be said twice in a row: it was just said once, not at once after the undo, when the order may
    still be on its way; the second time follows soon.
    """
    said = p.absent > 0 and not p.blanks and not p.capture_seen
    return m.undone_vanishes and p.undone in ACCEPTED and said and p.last_query_ms - p.last_undo_ms >= m.every_ms


def undo_verb(p: Payment, m: Manners) -> Op:
    """Close an order known to be unpaid and shown by us as a QR; otherwise the result is unknown: reverse."""
    return Op.CLOSE if p.method.shown and (p.seen or not m.reverses_qr) else Op.REVERSE


def undo_free_ms(p: Payment, m: Manners) -> int:
    """Before this time the channel must not be asked to undo. It counts from when the last try may have left us."""
    if not m.undo_after_ms:
        return 0
    return p.asked_ms + m.undo_after_ms + (p.sends - 1) * m.pay_deadline_ms + sum(m.resend_after_ms[: p.sends - 1])


def may_undo(p: Payment, m: Manners, now: int) -> bool:
    """Whether the channel still undoes this order: by its calendar (the order's Beijing day), or for so long."""
    if m.undo_within_ms and now - p.asked_ms >= m.undo_within_ms:
        return False
    return not m.undo_same_day or channel_day(now, m) == channel_day(p.created_ms, m)


def channel_day(at_ms: int, m: Manners) -> int:
    """The number of the channel's day; it ends at midnight of Beijing, or earlier (UnionPay: 23:00)."""
    return (at_ms + _BEIJING_MS + (24 - m.day_ends_h) * _HOUR_MS) // _DAY_MS


def _over(p: Payment, at_ms: int) -> bool:
    return bool(p.window_end_ms) and at_ms >= p.window_end_ms


# -- writing down that we ask ------------------------------------------------------------------------------------------


def asking(p: Payment, op: Op, m: Manners, now: int) -> Payment:
    """The payment as it must be durable before the question leaves."""
    if op is Op.PAY:
        window = m.qr_window_ms if p.method.shown else m.window_ms
        return p.to(
            State.SENT,
            sends=p.sends + 1,
            send_out=True,
            asked_ms=p.asked_ms or now,
            window_end_ms=p.window_end_ms or now + window,
        )
    if op is Op.QUERY:
        return changed(p, queries=p.queries + 1, last_query_ms=now)
    if p.state in (State.SENT, State.WAITING_PAYER, State.UNKNOWN):
        p = p.to(State.REVERSING, send_out=False)
    return changed(
        p, undo_tries=p.undo_tries + 1, undo_out=True, last_undo_ms=now, first_undo_ms=p.first_undo_ms or now
    )


# -- what an answer changes --------------------------------------------------------------------------------------------


def learn(p: Payment, op: Op, f: Finding, m: Manners, now: int) -> Payment:
    """The payment after one answer. An answer that proves nothing leaves the money's state as unknown as it was."""
    if f.proves is Proves.CAPTURED and f.amount_fen != p.amount_fen:
        f = Finding(code=f.code, text=f.text, alarm="amount", detail=f.detail, trail=f.trail)
    p = _with_doubt(p, op, f, now)
    if op is Op.PAY:
        return _learn_pay(p, f, m, now)
    if op is Op.QUERY:
        return _learn_query(p, f, m, now)
    if op is Op.NOTIFY:
        return _learn_notify(p, f, m, now)
    return _learn_undo(p, f, m, now)


def _learn_pay(p: Payment, f: Finding, m: Manners, now: int) -> Payment:
    if p.proven:
        return p  # a notify was faster; the reply is only one more line of evidence
    p = changed(p, last_answer_ms=max(now, p.last_answer_ms))
    match f.proves:
        case Proves.CAPTURED:
            return captured(p, f, m, now)
        case Proves.REFUSED:
            refusal = {"code": f.code, "hint": f.hint, "text": f.text}
            return _decided(changed(p, send_out=False), State.NOT_PAID, m, now, refusal=refusal)
        case _ if p.state is not State.SENT:
            return p  # another worker is already asking
        case Proves.NOT_SENT:
            return changed(p, send_out=False)
        case Proves.WAITING:
            return p.to(State.WAITING_PAYER, send_out=False, seen=True)
        case Proves.SHOWN:
            return p.to(State.WAITING_PAYER, send_out=False, qr=f.qr)
        case _:
            return p.to(State.UNKNOWN, send_out=False)


def _learn_query(p: Payment, f: Finding, m: Manners, now: int) -> Payment:
    blank = f.proves in (Proves.NOTHING, Proves.NOT_SENT)
    if not p.proven and m.undone_vanishes and p.undone in ACCEPTED and (blank or now - p.last_answer_ms > _IN_A_ROW_MS):
        p = changed(p, absent=0)  # the order may have come meanwhile: what was said before says nothing of it
    p = changed(p, last_answer_ms=now, blanks=p.blanks + 1 if blank else 0)
    if p.proven:
        return _learn_recheck(p, f, m, now)
    if p.state is State.SENT:
        p = p.to(State.UNKNOWN, send_out=False)
    match f.proves:
        case Proves.CAPTURED:
            return captured(p, f, m, now)
        case Proves.CLOSED | Proves.RETURNED | Proves.REVOKED if _asked_before_charge(p, now):
            return _window(p, m, now)
        case Proves.CLOSED:
            # A channel that only accepts a payment at first says by the query why it did not go through.
            refusal = {"code": f.code, "hint": f.hint, "text": f.text} if f.hint and not p.undo_tries else p.refusal
            state = State.REVERSED if p.undone is Undone.PAID else State.CLOSED
            return _decided(p, state, m, now, seen=True, refusal=refusal)
        case Proves.RETURNED:
            return _decided(p, State.REVERSED, m, now, seen=True, trade_no=f.trade_no or p.trade_no)
        case Proves.REVOKED if m.undone_vanishes and p.undone not in ACCEPTED:
            return _window(changed(p, absent=p.absent + 1), m, now)  # read before the undo was opened again
        case Proves.REVOKED:
            charged = p.capture_seen or p.undone is Undone.PAID
            return _decided(p, State.REVERSED if charged else State.CLOSED, m, now, seen=True)
        case Proves.WAITING:
            state = State.WAITING_PAYER if p.state is State.UNKNOWN else p.state
            return _window(_opened_again(p.to(state, seen=True, absent=0), m), m, now)
        case Proves.ABSENT if p.undone in (Undone.UNPAID, Undone.ABSENT) and _may_be_gone(p, m):
            return _decided(p, State.CLOSED, m, now)
        case Proves.ABSENT:
            return _window(changed(p, absent=p.absent + 1), m, now)
        case _:
            return _window(p, m, now)


def _asked_before_charge(p: Payment, now: int) -> bool:
    """A notify of a charge overtook this answer: it was asked for before the charge (known to the second), and says nothing of it."""
    return p.capture_seen and p.last_query_ms - 1_000 < p.paid_ms <= now


def _may_be_gone(p: Payment, m: Manners) -> bool:
    """Whether "no such order" can be believed: not of a charge that was shown, nor, where an undo does not tell, of a shown order.

    Nor at the first time: an earlier query must have said so too, or the undo's own answer, where an undo before the order
    keeps the order out.
    """
    again = p.absent > 0 or (p.undone is Undone.ABSENT and not m.undone_vanishes)
    return not p.capture_seen and (m.undo_tells or not p.seen) and again


def _window(p: Payment, m: Manners, now: int) -> Payment:
    """After a query that did not settle it: is it time to undo, or time to ask less often?"""
    if p.state is State.REVERSING:
        long = p.first_undo_ms and now - p.first_undo_ms >= sum(m.undo_gaps_ms)
        return p.to(State.DEFERRED) if long or p.queries >= m.queries_most else p
    if p.state is State.DEFERRED:
        return p
    code = p.method is Method.PAY_BY_CODE
    lost = code and not p.seen and p.absent >= m.absent_needed and now - p.asked_ms >= m.absent_after_ms
    if p.give_up or lost or _over(p, p.last_query_ms) or p.queries >= m.queries_most or counted_out(p, m):
        return p.to(State.REVERSING)
    return p


def _learn_undo(p: Payment, f: Finding, m: Manners, now: int) -> Payment:
    match f.proves:
        case Proves.UNDONE_UNPAID:
            return changed(p, undo_out=False, undone=Undone.UNPAID, absent=_said_before(p, m))
        case Proves.UNDONE_PAID:
            return changed(p, undo_out=False, undone=Undone.PAID)
        case Proves.UNDONE_ABSENT:
            return changed(p, undo_out=False, undone=Undone.ABSENT, absent=_said_before(p, m))
        case Proves.UNDONE:
            return changed(p, undo_out=False, undone=Undone.ABSENT if p.absent and not p.seen else Undone.UNPAID)
        case Proves.UNDO_REFUSED:
            # Only this try is refused; another one, before or after it, may still be under way.
            return changed(p, undo_out=p.undo_tries > 1, undone=Undone.REFUSED)
        case Proves.NOT_SENT:
            # Likewise.
            return changed(p, undo_out=p.undo_tries > 1)
        case _:
            return p


def _said_before(p: Payment, m: Manners) -> int:
    """How often "no such order" still counts after an undo: where the order may come only after it, what was said before is nothing."""
    return 0 if m.undone_vanishes else p.absent


def _learn_notify(p: Payment, f: Finding, m: Manners, now: int) -> Payment:
    """A verified notify settles an open payment. Where an undo of ours was on its way, or an end was already
    proven, it may be older than that: then it only makes us ask, and the query decides.
    """
    if f.proves is not Proves.CAPTURED:
        return p
    if p.state in NOTHING_TAKEN:
        return changed(p, recheck_ms=now, capture_seen=True, absent=0, paid_ms=f.paid_ms or p.paid_ms)
    if p.proven:
        return p
    if not p.undo_tries:
        return captured(p, f, m, now)
    return _opened_again(changed(p, seen=True, capture_seen=True, paid_ms=f.paid_ms or p.paid_ms), m)


def _opened_again(p: Payment, m: Manners) -> Payment:
    """The order or its charge was shown after an undo was taken, and may be younger: what the undo did is open, and it is repeated."""
    if not m.undone_vanishes or p.undone not in (Undone.UNPAID, Undone.ABSENT):
        return p
    return changed(p, undone=Undone.NO, undo_out=True)


def _learn_recheck(p: Payment, f: Finding, m: Manners, now: int) -> Payment:
    """A look at an end already told. Only a capture changes it; only an answer that settles it ends the looking."""
    if p.state in NOTHING_TAKEN and f.proves is Proves.CAPTURED:
        return captured(p, f, m, now)
    p = changed(p, rechecks=p.rechecks + 1)
    # A signed notify claims a charge: "not found" and "not yet paid" are then only stale.
    stale = (p.capture_seen and f.proves in (Proves.ABSENT, Proves.WAITING)) or _asked_before_charge(p, now)
    if p.capture_seen and m.undone_vanishes and f.proves is Proves.REVOKED:
        # Where an undone order vanishes, "vanished" is not found in other words: it must be said twice.
        stale, p = not p.absent, changed(p, absent=p.absent + 1)
    if f.proves in (Proves.NOTHING, Proves.NOT_SENT) or stale:
        gap = m.deferred_gaps_ms[min(p.rechecks, len(m.deferred_gaps_ms)) - 1]
        return changed(p, recheck_ms=now + gap)
    if (p.seen and not _unpushed(p, m)) or p.rechecks >= len(m.aftercare_ms):
        return changed(p, recheck_ms=0)
    return changed(p, recheck_ms=max(p.decided_ms + m.aftercare_ms[p.rechecks], now + m.query_gap_ms))


def captured(p: Payment, f: Finding, m: Manners, now: int) -> Payment:
    """The channel says that the payer was charged. It is paid, unless an undo of ours may still take it back."""
    known = changed(p, seen=True, absent=0, capture_seen=True, trade_no=f.trade_no or p.trade_no, paid_ms=f.paid_ms or p.paid_ms)
    taken_back = known.undone is Undone.PAID or (known.undone in ACCEPTED and not m.undo_tells)
    may_go_back = taken_back or (known.undo_out and known.undone in (Undone.NO, Undone.REFUSED))
    if may_go_back and not p.proven and now - known.last_undo_ms < m.undo_settles_ms:
        return _window(_opened_again(known, m), m, now)
    late = p.state in NOTHING_TAKEN or p.state is State.DEFERRED or known.undone in ACCEPTED
    return _decided(
        known,
        State.PAID,
        m,
        now,
        late=late,
        question="late_success" if late else "",
        send_out=False,
        captured_fen=f.amount_fen,
        payer_paid_fen=f.payer_paid_fen or f.amount_fen,
        received_fen=f.received_fen or f.amount_fen,
        refusal=None,
    )


def never_left(p: Payment, m: Manners, now: int) -> Payment:
    """Every try ended before a byte left us: our own trail proves that the channel knows nothing of it."""
    return _decided(p, State.NOT_PAID, m, now, refusal={"code": "NEVER_SENT", "hint": "us.egress", "text": ""})


def as_surplus(paid: Payment, before: State) -> Payment:
    """A late capture of a sale that another attempt holds: found, told, and to be given back (promise P3)."""
    must(State.SURPLUS in FOLLOWS[before], f"{before} is never followed by surplus")
    return changed(paid, state=State.SURPLUS, question="", answer_by_ms=0)


def _decided(p: Payment, state: State, m: Manners, now: int, **changes: object) -> Payment:
    """An end, proven. What nobody but us would find afterwards is looked after: an order that the channel never showed
    us may still arrive, and a charge that crossed our undo may never be pushed.
    """
    unseen = state is State.CLOSED and not p.seen and not changes.get("seen")
    look = unseen or (state in (State.CLOSED, State.REVERSED) and _unpushed(p, m))
    return p.to(state, decided_ms=now, recheck_ms=now + m.aftercare_ms[0] if look else 0, **changes)


def _unpushed(p: Payment, m: Manners) -> bool:
    """Undone by us at a channel that would keep silent about a late charge."""
    return p.method is Method.PAY_BY_CODE and not m.pushes_code and p.undo_tries > 0


def _with_doubt(p: Payment, op: Op, f: Finding, now: int) -> Payment:
    """Remember the first answer that proved nothing: it is why there was no information."""
    if p.doubt is not None or p.proven or f.proves not in (Proves.NOTHING, Proves.NOT_SENT):
        return p
    return changed(p, doubt={"code": f.code, "hint": f.hint, "op": op.value, "at_ms": now, "alarm": f.alarm})
