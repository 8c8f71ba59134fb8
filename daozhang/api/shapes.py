"""What comes in through the doors. Unknown members are ignored, and none of them can set a state or an amount received."""

import json
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from daozhang.core.money import MOST_FEN

Text = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
OrderNo = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]*$")]
Amount = Annotated[int, Meta(ge=1, le=MOST_FEN, description="minor units (fen)")]
Ident = Annotated[str, Meta(max_length=40, pattern=r"^[a-z]+_[0-9A-Z]{26}$")]
Wait = Annotated[float, Meta(ge=0, le=10)]


class PayByCode(Struct, tag_field="type", tag="pay_by_code"):
    """The payer's code, as the scanner read it."""

    code: Annotated[str, Meta(min_length=1, max_length=256)]


class PayByQr(Struct, tag_field="type", tag="pay_by_qr"):
    """We show a QR that the payer scans."""

    channel: str | None = None


class PayByPlate(Struct, tag_field="type", tag="plate"):
    """A static code plate: the payer is on our page already, and confirms in the wallet."""

    wallet: str
    payer: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[!-~]*$")]


class NewPayment(Struct):
    amount: Amount
    merchant_order_no: OrderNo
    method: PayByCode | PayByQr | PayByPlate
    till: Ident
    currency: Literal["CNY"] = "CNY"
    subject: Text = "收款"
    metadata: dict[
        Annotated[str, Meta(max_length=40, pattern=r"^[^\x00]*$")],
        Annotated[str, Meta(max_length=500, pattern=r"^[^\x00]*$")],
    ] = {}
    wait_s: Wait = 5.0


class PlateOrder(Struct):
    """What a payer who has scanned a code plate wants to pay. ``payer``: the channel's own id of the person, where the wallet's
    login has told it; without it the wallet opens or scans an order.
    """

    amount: Amount
    wallet: Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[a-z0-9_]*$")]
    payer: Annotated[str, Meta(max_length=128, pattern=r"^[!-~]*$")] = ""
    wait_s: Wait = 5.0


class Lookup(Struct):
    """By the last characters of a number on the payer's phone or slip, or by amount and time."""

    no_tail: Annotated[str, Meta(min_length=4, max_length=300, pattern=r"^[0-9A-Za-z_:/.\[\]-]*$")] | None = None
    amount: Amount | None = None
    time: str | None = None
    within_s: Annotated[int, Meta(ge=1, le=86_400)] = 900
    till: Ident | None = None


class NewRefund(Struct):
    payment: Ident
    amount: Amount | None = None
    reason: Annotated[str, Meta(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    wait_s: Wait = 5.0


class Wish(Struct):
    """For reverse, close and resolve."""

    wait_s: Wait = 5.0


class Told(Struct):
    by: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[a-z0-9_:.-]*$")] = "till"


class GoodsAnswer(Struct):
    goods_handed_over: bool


class NewMerchant(Struct):
    name: Text
    late_policy: Literal["keep", "refund"] = "refund"
    late_after_s: Annotated[int, Meta(ge=60, le=604_800)] = 1800
    trade: Literal["goods", "consumed"] = "goods"


class MerchantChange(Struct):
    name: Text | None = None
    late_policy: Literal["keep", "refund"] | None = None
    late_after_s: Annotated[int, Meta(ge=60, le=604_800)] | None = None
    trade: Literal["goods", "consumed"] | None = None


class NewStore(Struct):
    name: Text


class NewTill(Struct):
    store: Ident
    name: Text


class NewKey(Struct):
    scopes: Annotated[list[str], Meta(min_length=1, max_length=20)]


class NewAccount(Struct):
    channel: str
    settings: dict[str, str]
    secrets: dict[str, str]
    fee_rate: Annotated[int, Meta(ge=0, le=100_000, description="parts of 100,000")] = 380
    livemode: bool = False


EventType = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^([a-z0-9_]+\.)*([a-z0-9_]+|\*)$")]


class NewEndpoint(Struct):
    url: Annotated[str, Meta(min_length=8, max_length=2048)]
    types: Annotated[list[EventType], Meta(max_length=50)] = []
    description: Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    # Deliveries are signed with an Ed25519 key too (v1a); its public half is shown.
    asymmetric: bool = False


class EndpointChange(Struct):
    url: Annotated[str, Meta(min_length=8, max_length=2048)] | None = None
    types: Annotated[list[EventType], Meta(max_length=50)] | None = None
    description: Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None
    enabled: bool | None = None


class Range(Struct, rename={"since": "from", "until": "to"}):
    """Times in RFC 3339; ``to`` is excluded, and now when it is not given."""

    since: str
    until: str | None = None
    types: Annotated[list[EventType], Meta(max_length=50)] = []


class SandboxWish(Struct):
    """Handed on to the sandbox's control door as it is."""

    wallet: str = "alipay"
    behaviour: str = "pays"
    qr: str | None = None
    mode: str | None = None
    share: float | None = None
    for_s: float | None = None
    op: str | None = None
    order: str | None = None


class Advance(Struct):
    seconds: Annotated[float, Meta(gt=0, le=366 * 86_400)]


def no_twice(body: bytes) -> None:
    """Refuse an object that names a member twice: two readers would disagree about the amount. Raises ValueError."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise ValueError("a member stands twice")
        return dict(pairs)

    json.loads(body, object_pairs_hook=once)
