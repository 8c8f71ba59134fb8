"""What is told of a static code plate, to the shop and to whoever scans it."""

from msgspec import Struct

from daozhang.client import words as say
from daozhang.client.causes import Words


class PlateWallet(Struct):
    name: str
    words: Words


class Plate(Struct):
    """Whom a payer pays. ``wallet``: the one that has opened the page, as far as it says so itself."""

    object: str
    shop: str
    till: str
    livemode: bool
    wallets: list[PlateWallet]
    wallet: str | None


class PlatePayment(Struct):
    """What the page shows. ``qr`` and ``picture``: what the wallet opens or scans; ``pay``: what is handed over to the wallet that
    the page is in.
    """

    id: str
    object: str
    amount: int
    wallet: str
    status: say.PaymentStatus
    verdict: say.Verdict
    verdict_words: Words
    next_step: Words
    qr: str | None
    picture: str | None
    pay: dict[str, str] | None
