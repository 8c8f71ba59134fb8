"""Every world: `core.resolve` against each answer a channel can give, up to a number of faults per world.

A world is a list of choices. The walk runs the real procedure through it from the beginning to the end, then turns
the last choice to its next value, until none is left. The judge here knows the truth (what the channel really did
with the payer's money) and shares nothing with the procedure but the words of its questions and answers.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial

from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.manners import Manners
from daozhang.core.payment import NOTHING_TAKEN, OPEN, Method, Payment, State
from daozhang.core.resolve import Answer, Ask, Rest, Talk, learn, resolve

Procedure = Callable[[Payment, Manners, int], Talk]
AMOUNT = 1250
START_MS = 1_790_000_000_000
_MOST_ASKS = 120


class BrokenPromise(Exception):
    """A promise did not hold in one world; the text names it."""


@dataclass
class Truth:
    """The channel's side: what is really so."""

    order: str = "absent"  # absent, waiting, captured, closed, returned
    blocked: bool = False  # the number was undone before the request came: it will never be taken
    arrives_after: int = 0  # a request still under way: it comes in after so many more questions
    payer_finishes_after: int = 0  # the payer types the password after so many more questions (0: never)
    captures: int = 0
    returns: int = 0
    tells: bool = True  # this channel says whether an undone order had been charged
    reversed: bool = False

    def step(self) -> None:
        """Something else happens in the world between two questions."""
        if self.arrives_after:
            self.arrives_after -= 1
            if not self.arrives_after and not self.blocked and self.order == "absent":
                self.capture()
        if self.payer_finishes_after and self.order == "waiting":
            self.payer_finishes_after -= 1
            if not self.payer_finishes_after:
                self.capture()

    def capture(self) -> None:
        self.order = "captured"
        self.captures += 1

    def undo(self, op: Op) -> Proves:
        """Carry out an undo; what its answer says. Only a telling channel lets the two ends be told apart afterwards."""
        if self.tells:
            return self._undo()
        if op is Op.CLOSE and self.order == "captured":
            return Proves.UNDO_REFUSED
        said = self._undo()
        self.reversed = self.reversed or op is Op.REVERSE
        return Proves.UNDONE if op is Op.REVERSE else said

    def _undo(self) -> Proves:
        """A number that never came can only be blocked once nothing is under way."""
        match self.order:
            case "captured":
                self.order, self.returns = "returned", self.returns + 1
                return Proves.UNDONE_PAID
            case "waiting":
                self.order = "closed"
                return Proves.UNDONE_UNPAID
            case "absent":
                self.blocked = self.arrives_after == 0
                return Proves.UNDONE_ABSENT
            case "returned":
                return Proves.UNDONE_PAID
            case _:
                return Proves.UNDONE_UNPAID

    def seen(self) -> Proves:
        if self.reversed and self.order in ("closed", "returned"):
            return Proves.REVOKED
        return {
            "absent": Proves.ABSENT,
            "waiting": Proves.WAITING,
            "captured": Proves.CAPTURED,
            "closed": Proves.CLOSED,
            "returned": Proves.RETURNED,
        }[self.order]


# What may happen to each question, the harmless one first.
PAY = (
    "paid", "refused", "typing_then_paid", "typing_for_ever", "lost_before", "lost_after", "late_arrival",
    "late_arrival_far", "system_error_charged", "system_error_clean", "forged", "unreadable", "not_sent",
    "typing_reply_lost", "crash_before", "crash_after",
)  # fmt: skip
QUERY = ("truth", "lost", "forged", "not_found", "stale_waiting", "crash_after")
UNDO = ("done", "lost_before", "lost_after", "undo_refused", "undo_again", "crash_before", "crash_after")
_CHOICES: dict[Op, tuple[str, ...]] = {Op.PAY: PAY, Op.QUERY: QUERY, Op.REVERSE: UNDO, Op.CLOSE: UNDO}
# Ordinary life; everything else is a fault and counts.
_ORDINARY = frozenset({"paid", "refused", "typing_then_paid", "typing_for_ever", "truth", "done"})


@dataclass
class Choices:
    """One path through the tree: given values first, then the harmless ones; remembers how wide each fork was."""

    given: list[int]
    faults: int
    taken: list[int] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def pick(self, op: Op) -> str:
        spent = sum(1 for name in self.names if name not in _ORDINARY)
        names = _CHOICES[op]
        allowed = names if spent < self.faults else tuple(name for name in names if name in _ORDINARY)
        place = len(self.taken)
        choice = self.given[place] if place < len(self.given) else 0
        self.taken.append(choice)
        self.widths.append(len(allowed))
        self.names.append(allowed[choice])
        return allowed[choice]

    def next(self) -> list[int] | None:
        """The following path in order, or None after the last."""
        taken, widths = list(self.taken), list(self.widths)
        while taken:
            if taken[-1] + 1 < widths[-1]:
                return [*taken[:-1], taken[-1] + 1]
            taken.pop()
            widths.pop()
        return None


class Crash(Exception):
    """The driver dies here; the durable row is all that is left."""


def pay(truth: Truth, how: str) -> Finding:
    match how:
        case "paid" | "system_error_charged" | "lost_after" | "forged" | "unreadable" | "crash_after":
            truth.capture()
        case "typing_then_paid" | "typing_reply_lost":
            truth.order, truth.payer_finishes_after = "waiting", 3
        case "typing_for_ever":
            truth.order = "waiting"
        case "late_arrival":
            truth.arrives_after = 2
        case "late_arrival_far":
            truth.arrives_after = 9
    proves = {
        "paid": Proves.CAPTURED,
        "refused": Proves.REFUSED,
        "typing_then_paid": Proves.WAITING,
        "typing_for_ever": Proves.WAITING,
        "not_sent": Proves.NOT_SENT,
    }.get(how, Proves.NOTHING)
    if how.startswith("crash"):
        raise Crash
    return Finding(proves, how, amount_fen=AMOUNT if proves is Proves.CAPTURED else 0)


def query(truth: Truth, how: str) -> Finding:
    shown = {"truth": truth.seen(), "not_found": Proves.ABSENT}.get(how, Proves.NOTHING)
    if how == "stale_waiting":
        shown = Proves.WAITING if truth.order == "captured" else truth.seen()
    if how == "crash_after":
        raise Crash
    return Finding(shown, how, amount_fen=AMOUNT if shown is Proves.CAPTURED else 0)


def undo(truth: Truth, how: str, op: Op) -> Finding:
    if how in ("crash_before", "lost_before", "undo_refused", "undo_again"):
        if how == "crash_before":
            raise Crash
        proves = {"undo_refused": Proves.UNDO_REFUSED, "undo_again": Proves.UNDO_AGAIN}.get(how, Proves.NOTHING)
        return Finding(proves, how)
    proves = truth.undo(op)
    if how == "crash_after":
        raise Crash
    return Finding(Proves.NOTHING if how == "lost_after" else proves, how)


_CARRY_OUT: dict[Op, Callable[[Truth, str], Finding]] = {
    Op.PAY: pay,
    Op.QUERY: query,
    Op.REVERSE: partial(undo, op=Op.REVERSE),
    Op.CLOSE: partial(undo, op=Op.CLOSE),
}


@dataclass
class Run:
    """One world from beginning to end: drives the procedure, restarts it from the row after a crash."""

    procedure: Procedure
    manners: Manners
    choices: Choices
    truth: Truth = field(default_factory=Truth)
    method: Method = Method.PAY_BY_CODE
    now: int = START_MS
    asks: list[tuple[Op, int]] = field(default_factory=list)
    told_free: bool = False  # the shop was once told that it may charge again
    answered: str = "absent"  # the books when the last answer was given; what happens after it nobody can know yet

    def whole(self, payment: Payment) -> Payment:
        """Run to the end; then the channel's last word comes unasked (a notify, or at last its bill), and it runs on."""
        payment = self._until_quiet(payment)
        for _ in range(20):
            self.truth.step()
        if self.truth.order == "captured" and payment.state in NOTHING_TAKEN:
            told = Finding(Proves.CAPTURED, "notify", amount_fen=AMOUNT)
            payment = self._until_quiet(learn(payment, Op.NOTIFY, told, self.manners, self.now))
        self._judge_end(payment)
        return payment

    def _until_quiet(self, payment: Payment) -> Payment:
        while True:
            try:
                return self._drive(payment)
            except _Died as died:
                payment = died.row
                self.now += 11_000  # the lease ends and another worker takes the row

    def _drive(self, payment: Payment) -> Payment:
        talk: Generator[Ask | Rest, Answer | int, Payment] = self.procedure(payment, self.manners, self.now)
        try:
            wish = next(talk)
            while True:
                self._judge(wish.payment)
                if isinstance(wish, Rest):
                    self.now = max(self.now, wish.until_ms)
                    wish = talk.send(self.now)
                    continue
                if len(self.asks) > _MOST_ASKS:
                    raise BrokenPromise("P6: it never comes to an end")
                self._mannerly(wish.op)
                try:
                    finding = _CARRY_OUT[wish.op](self.truth, self.choices.pick(wish.op))
                except Crash:
                    raise _Died(wish.payment) from None
                self.answered = self.truth.order
                self.now += 40
                self.truth.step()
                wish = talk.send(Answer(finding, self.now))
        except StopIteration as end:
            done: Payment = end.value
            self._judge(done)
            return done

    def _mannerly(self, op: Op) -> None:
        """P10: the least gap between queries, an undo at once after the last query, the budget."""
        queries = [at for asked, at in self.asks if asked is Op.QUERY]
        if op is Op.QUERY and queries and self.now - queries[-1] < self.manners.query_gap_ms:
            raise BrokenPromise("P10: two queries of one order too near to each other")
        self._counted(op, queries)
        if op in (Op.REVERSE, Op.CLOSE):
            late = not queries or self.now - queries[-1] > 200
            if late and not self.manners.query_gaps_ms:
                raise BrokenPromise("P10: an undo that does not follow the last query at once")
            paid = max(at for asked, at in self.asks if asked is Op.PAY)
            if op is Op.REVERSE and self.now - paid < self.manners.undo_after_ms:
                raise BrokenPromise("P10: an undo that comes too early after the pay request")
            last = queries[-1] if queries else 0
            if any(asked in (Op.REVERSE, Op.CLOSE) and at > last for asked, at in self.asks):
                raise BrokenPromise("P10: two undos without a query between them")
        self.asks.append((op, self.now))

    def _counted(self, op: Op, queries: list[int]) -> None:
        """P10 at a channel that counts: each pause at least as long as documented, and no query too many before an undo."""
        qr = self.method.shown
        gaps = self.manners.qr_query_gaps_ms if qr else self.manners.query_gaps_ms
        if op is not Op.QUERY or not gaps or any(asked in (Op.REVERSE, Op.CLOSE) for asked, _ in self.asks):
            return
        if len(queries) >= len(gaps):
            raise BrokenPromise("P10: more queries than the channel allows")
        if queries and self.now - queries[-1] < gaps[len(queries)]:
            raise BrokenPromise("P10: a pause between two queries that is shorter than the channel asks for")

    def _judge(self, p: Payment) -> None:
        """What may be claimed at this moment."""
        if p.state in (State.PAID, State.SURPLUS) and self.truth.order != "captured":
            raise BrokenPromise(f"P1: {p.state} while the channel's books say {self.truth.order}")
        if p.state in NOTHING_TAKEN and not self.told_free and self.answered in ("captured", "waiting"):
            raise BrokenPromise(f"P2: {p.state} while the channel's books said {self.answered}")
        self.told_free = p.state in NOTHING_TAKEN
        if p.state is State.REVERSED and not self.truth.returns:
            raise BrokenPromise("P2: returned, and nothing was given back")
        if self.truth.captures > 1:
            raise BrokenPromise("P3: one sale captured twice")

    def _judge_end(self, p: Payment) -> None:
        self._judge(p)
        if p.state in OPEN:
            raise BrokenPromise(f"P6: nobody will look at it again, and it is {p.state}")
        if self.truth.order == "captured" and p.state is not State.PAID:
            raise BrokenPromise(f"P4: a charge was dropped: {p.state}")
        if p.state in (State.NOT_PAID, State.CLOSED) and self.truth.returns and self.truth.tells:
            raise BrokenPromise("P2: told as never charged, and it was charged and given back")


class _Died(Exception):
    def __init__(self, row: Payment) -> None:
        super().__init__()
        self.row = row


def new_payment(method: Method = Method.PAY_BY_CODE) -> Payment:
    return Payment(
        "pay_01JD8000000000000000000000", 0, "mer", "sto", "till", "A1", AMOUNT, "CNY", method, "x", "acc", False,
        "s", "", {}, START_MS,
    )  # fmt: skip


@dataclass
class Tally:
    worlds: int = 0
    asks: int = 0
    broken: list[str] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)


def the_real_one(payment: Payment, manners: Manners, now: int) -> Talk:
    """The product's procedure. The payer's code is in memory only until the first crash."""
    in_hand = payment.state is State.CREATED or payment.method is Method.PAY_BY_QR
    return resolve(payment, manners, now, code_in_hand=in_hand)


def walk(
    procedure: Procedure, manners: Manners, faults: int, method: Method = Method.PAY_BY_CODE, most_broken: int = 20,
    enough: str = "",
) -> Tally:  # fmt: skip
    """All worlds with at most ``faults`` faults. Stops early once ``most_broken`` promises are broken, or one named ``enough``."""
    tally = Tally()
    step: list[int] | None = []
    while step is not None and len(tally.broken) < most_broken:
        choices = Choices(step, faults)
        run = Run(procedure, manners, choices, Truth(tells=manners.undo_tells), method)
        try:
            end = run.whole(new_payment(method))
            tally.ends[end.state.value] = tally.ends.get(end.state.value, 0) + 1
        except BrokenPromise as broken:
            tally.broken.append(f"{broken} in {' > '.join(choices.names)}")
            if enough and str(broken).startswith(enough):
                break
        tally.worlds += 1
        tally.asks += len(run.asks)
        step = choices.next()
    return tally
