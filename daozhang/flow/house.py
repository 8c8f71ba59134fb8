"""Everything the flow is given; built once by the fuse box."""

import asyncio
from dataclasses import dataclass, field

from daozhang.channels.plug import Question
from daozhang.channels.shelf import Channel, Shelf
from daozhang.core.directory import Directory, Reading
from daozhang.core.evidence import Op
from daozhang.core.faults import Fault
from daozhang.core.fleet import Fleet
from daozhang.core.ids import ulid
from daozhang.core.incident import Incidents, Owes, nobody
from daozhang.core.manners import Manners
from daozhang.core.payment import Method, Payment
from daozhang.core.ports import AccountRow, Clock, Net, Proc, Rand, Silent, Store, Witness
from daozhang.core.refund import Refund
from daozhang.core.stated import Statements
from daozhang.flow.code_watch import CodeWatch
from daozhang.flow.doorkeeper import OPERATIONAL, Doorkeeper, state_of
from daozhang.flow.lookout import Lookout
from daozhang.flow.waiters import Waiters

LEASE_MS = 10_000  # longer than any single question with its two commits
GRACE_MS = 3_000  # after a deadline, before somebody else looks
_ACCOUNT_LIVES_MS = 5_000


class NoAccount(Fault):
    """The merchant has no account at this channel for this mode."""

    def __init__(self, channel: str) -> None:
        super().__init__(f"the merchant has no account at {channel}")
        self.channel = channel


@dataclass(frozen=True)
class House:
    """The flow's carriers. ``notify_base`` is where channels reach our notify doors, without a slash at the end; empty: nowhere."""

    store: Store
    directory: Directory
    reading: Reading
    shelf: Shelf
    net: Net
    clock: Clock
    rand: Rand
    proc: Proc
    waiters: Waiters
    notify_base: str
    who: str = "serve"
    witness: Witness = field(default_factory=Silent)
    fleet: Fleet | None = None  # devices, where there are some
    lookout: Lookout | None = None  # what happens to others, where somebody looks
    renewing: dict[str, asyncio.Future[None]] = field(default_factory=dict)  # accounts whose channel's keys are being fetched
    incidents: Incidents | None = None  # the books of incidents and maintenance, where there are some
    alert: Owes = nobody  # who is owed an alert of what a person does in an incident
    stated: Statements | None = None  # what was told about accounts and plates, and our own releases, where that is kept
    codes: CodeWatch | None = None  # what all processes see of codes that are tried out; a door alone has its own
    doorkeeper: Doorkeeper = field(default_factory=Doorkeeper)
    _accounts: dict[str, tuple[int, AccountRow]] = field(default_factory=dict)

    def new_id(self, prefix: str, bucket: int) -> str:
        return f"{prefix}_{ulid(self.clock.now_ms(), self.rand.bytes(9), bucket)}"

    def channel(self, name: str) -> Channel:
        channel = self.shelf.get(name)
        if channel is None:
            raise NoAccount(name)
        return channel

    def manners(self, name: str) -> Manners:
        """How the channel wants to be asked; while it is known to be unwell, less often."""
        channel = self.channel(name)
        if self.lookout is None or state_of(self.lookout, "platform", name, self.clock.now_ms()).word == OPERATIONAL:
            return channel.manners
        return channel.calm_manners

    async def account_for(self, merchant: str, channel: str, livemode: bool) -> AccountRow:
        """The merchant's account at a channel, known for a few seconds. Raises NoAccount."""
        place = f"{merchant} {channel} {livemode}"
        kept = self._accounts.get(place)
        if kept is not None and kept[0] > self.clock.now_ms():
            return kept[1]
        row = await self.directory.account_for(merchant, channel, livemode)
        if row is None:
            raise NoAccount(channel)
        self._keep(place, row)
        self._keep(row.id, row)
        return row

    async def account(self, account_id: str) -> AccountRow:
        kept = self._accounts.get(account_id)
        if kept is not None and kept[0] > self.clock.now_ms():
            return kept[1]
        row = await self.store.account(account_id)
        if row is None:
            raise NoAccount(account_id)
        self._keep(account_id, row)
        return row

    def _keep(self, place: str, row: AccountRow) -> None:
        if len(self._accounts) > 10_000:
            self._accounts.clear()
        self._accounts[place] = (self.clock.now_ms() + _ACCOUNT_LIVES_MS, row)

    def notify_url(self, payment: Payment) -> str:
        return f"{self.notify_base}/v1/notify/{payment.channel}/{payment.account}" if self.notify_base else ""

    def question(
        self, op: Op, payment: Payment, deadline_ms: int, code: str = "", refund: Refund | None = None
    ) -> Question:
        now = self.clock.now_ms()
        url = self.notify_url(payment) if op in (Op.PAY, Op.REFUND) else ""
        left, plate = max(deadline_ms - now, 1), payment.method is Method.PLATE
        return Question(op, payment, now, left, "" if plate else code, refund, url, code if plate else "")
