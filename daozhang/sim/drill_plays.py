"""How each cause is brought about in a drill: what it strikes, what that looks like from outside, and how strongly.

A play emits only what real channels, banks, carriers and devices expose: a bank's fault has no bank's name on it, a platform
that is ill says vague things, the dead say nothing. What is not said in the file is drawn anew for each fault of each seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Style = Mapping[str, float]  # symptom -> how often

# How a question to a channel can end badly (a file's ``symptom`` names one).
SYMPTOMS = (
    "timeout", "reset", "refused", "dns", "tls", "connect_timeout", "error", "bank_error", "http_500", "http_503", "truncated",
    "garbage", "forged", "unknown_code",
)  # fmt: skip
_PAYMENT = ("merchant", "till", "channel", "bank", "software", "region", "carrier")
_DEVICE = ("merchant", "till", "software", "region", "carrier")
_WIRE_STRENGTHS = ("share", "symptom")
_TIMEOUT: Style = {"timeout": 1.0}


@dataclass(frozen=True, slots=True)
class Play:
    """``kind``: wire (questions to a channel end badly), crash (our own process dies over a payment), payer (what the payer or
    the channel's rules do), notify (of QR payments), till or speaker (a device).

    ``picks``: the scope that is drawn where the file names none (empty: it strikes everywhere). ``styles``: one is drawn for
    each fault. ``charged``: how often a payment that got no answer was carried out all the same. ``later``: the share of
    later questions that end badly too. ``order``: nearer to us is smaller; a payment belongs to the nearest fault that struck it.
    """

    kind: str
    scopes: tuple[str, ...] = _PAYMENT
    strengths: tuple[str, ...] = ("share",)
    picks: str = ""
    share: tuple[float, float] = (1.0, 1.0)
    styles: tuple[Style, ...] = ()
    charged: float = 0.5
    later: tuple[float, float] = (0.0, 0.0)
    notice: str = ""
    order: int = 5
    habits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    gone: bool = False
    returns: str = ""
    asks: str = "information"


def _wire(share: tuple[float, float], styles: tuple[Style, ...], **more: Any) -> Play:
    return Play("wire", share=share, styles=styles, **{"strengths": _WIRE_STRENGTHS, **more})


def _payer(alipay: tuple[str, ...] = (), wechat: tuple[str, ...] = (), union: tuple[str, ...] = (), asks: str = "money", **more: Any) -> Play:
    habits = {name: kinds for name, kinds in (("alipay", alipay), ("wechatpay", wechat), ("unionpay", union)) if kinds}
    return Play("payer", share=(0.02, 0.06), habits=habits, asks=asks, **more)


def _acq(*codes: str) -> tuple[str, ...]:
    return tuple(f"refused:ACQ.{code}" for code in codes)


def _ill(strengths: tuple[str, ...] = (), **report: Any) -> Play:
    return Play("till", scopes=_DEVICE, strengths=("share", *strengths), picks="till", report=report, asks="till")


def _gone(picks: str, returns: str, **more: Any) -> Play:
    return Play("till", scopes=_DEVICE, picks=picks, gone=True, returns=returns, asks="till", **more)


def _speaker(how: str) -> Play:
    return Play("speaker", scopes=_DEVICE, picks="merchant", report={"how": how})


_BANK_STYLES: tuple[Style, ...] = (_TIMEOUT, {"timeout": 0.5, "bank_error": 0.3, "error": 0.2}, {"bank_error": 0.6, "error": 0.4})
_MAINTENANCE = ("share", "announced", "symptom")

PLAYS: Mapping[str, Play] = {
    # nearest to us first
    "us.internal": Play("crash", share=(0.02, 0.08), order=0),
    "us.release": Play("crash", share=(0.02, 0.08), order=0, notice="release"),
    "us.egress": _wire((0.92, 1), (_TIMEOUT, {"connect_timeout": 1}, {"dns": 1}, {"refused": 0.6, "connect_timeout": 0.4}), charged=0.0, later=(0.95, 1), order=1),
    "us.certificate": _wire((1, 1), ({"tls": 1.0},), later=(1, 1), order=1),
    "info.request_lost": _wire((0.008, 0.02), ({"timeout": 0.7, "reset": 0.3},), charged=0.0, order=2),
    "info.reply_lost": _wire((0.008, 0.02), ({"timeout": 0.7, "reset": 0.3},), charged=1.0, order=2),
    "info.reply_unreadable": _wire((0.01, 0.05), ({"garbage": 0.4, "forged": 0.3, "truncated": 0.3},), order=2),
    "info.reply_unknown": _wire((0.01, 0.05), ({"unknown_code": 1.0},), order=2),
    "platform.outage": _wire((0.95, 1), (_TIMEOUT, {"connect_timeout": 1}, {"refused": 1}, {"timeout": 0.6, "reset": 0.4}, {"http_500": 1}), picks="channel", charged=0.2, later=(0.94, 1), order=3),
    "platform.maintenance": _wire((0.95, 1), ({"http_503": 1}, {"http_503": 0.6, "error": 0.4}, _TIMEOUT), picks="channel", charged=0.0, later=(0.92, 1), order=3, notice="platform", strengths=_MAINTENANCE),
    "platform.degraded": _wire((0.25, 0.7), (_TIMEOUT, {"timeout": 0.6, "error": 0.4}, {"error": 1}, {"http_500": 0.6, "timeout": 0.4}), picks="channel", charged=0.7, later=(0.15, 0.6), order=3),
    "clearing.outage": _wire((0.6, 0.95), (_TIMEOUT, {"error": 0.7, "timeout": 0.3}, {"error": 0.5, "bank_error": 0.5}), charged=0.3, later=(0.1, 0.35), order=4),
    "bank.maintenance": _wire((0.88, 1), _BANK_STYLES, picks="bank", charged=0.2, later=(0.03, 0.25), notice="bank", strengths=_MAINTENANCE),
    "bank.unavailable": _wire((0.85, 1), _BANK_STYLES, picks="bank", charged=0.3, later=(0.03, 0.25)),
    "bank.slow": _wire((0.8, 1), (_TIMEOUT,), picks="bank", charged=1.0, later=(0.0, 0.05), order=6),
    "info.notify_lost": Play("notify", share=(0.05, 0.3), asks="information", report={"late_s": 0}),
    "info.notify_late": Play("notify", share=(0.05, 0.3), report={"late_s": 60}),
    "us.notify_door": Play("notify", share=(1.0, 1.0), report={"late_s": 0}, order=1),
    # the payer, the merchant's contract, and rules of the channel
    "bank.declined": _payer(_acq("BUYER_BANKCARD_DECLINED"), ("card_declined",), ("card_declined", "frozen")),
    "payer.insufficient_funds": _payer(_acq("BUYER_BALANCE_NOT_ENOUGH", "BUYER_BANKCARD_BALANCE_NOT_ENOUGH"), ("no_balance",), ("no_balance",)),
    "payer.card_expired": _payer(_acq("BUYER_BANKCARD_INVALID"), (), ("card_expired",)),
    "payer.code_expired": _payer(_acq("PAYMENT_AUTH_CODE_INVALID", "NOW_TIME_AFTER_EXPIRE_TIME_ERROR"), ("code_expired",), ("code_expired",)),
    "payer.not_completed": _payer(("hesitates", "cancels"), ("hesitates", "cancels"), ("hesitates", "cancels"), "information"),
    "payer.wrong_password": _payer(("wrong_password",), ("wrong_password",), (), "information"),
    "payer.password_locked": _payer((), (), ("wrong_password",)),
    "payer.wallet_outdated": _payer(_acq("NOT_SUPPORT_PAYMENT_INST")),
    "payer.phone_offline": _payer(("hesitates",), ("hesitates",), ("hesitates",), "information"),
    "operator.bad_scan": _payer(_acq("AUTH_TOKEN_IS_NOT_EXIST")),
    "operator.wrong_amount": _payer(_acq("AMOUNT_OR_CURRENCY_ERROR", "TOTAL_FEE_EXCEED")),
    "operator.wrong_merchant": _payer(_acq("BUYER_SELLER_EQUAL", "PAYER_UNMATCHED")),
    "operator.undone": _payer(("hesitates",), ("hesitates",), ("hesitates",), report={"hands": "reverse"}),
    "payee.frozen": _payer(_acq("SECONDARY_MERCHANT_STATUS_ERROR", "SELLER_BEEN_BLOCKED")),
    "payee.not_signed": _payer(_acq("ACCESS_FORBIDDEN", "MERCHANT_AGREEMENT_NOT_EXIST")),
    "payee.wrong_account": _payer(_acq("INVALID_RECEIVE_ACCOUNT")),
    "payee.settlement_account_invalid": _payer(_acq("SECONDARY_MERCHANT_ALIPAY_ACCOUNT_INVALID")),
    "clearing.not_reported": _payer(_acq("SECONDARY_MERCHANT_ID_INVALID")),
    "payee.not_verified": _payer(_acq("DEFAULT_SETTLE_RULE_NOT_EXIST", "MERCHANT_STATUS_NOT_NORMAL")),
    "limit.single": _payer(_acq("BEYOND_PER_RECEIPT_SINGLE_RESTRICTION", "REQUEST_AMOUNT_EXCEED"), ("day_limit",), ("single_limit",)),
    "limit.daily": _payer(_acq("BEYOND_PER_RECEIPT_DAY_RESTRICTION", "BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR"), ("day_limit",)),
    "limit.monthly": _payer(_acq("BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR"), ("day_limit",)),
    "limit.method": _payer(_acq("ERROR_BALANCE_PAYMENT_DISABLE"), ("day_limit",)),
    "risk.payer_blocked": _payer(_acq("PAYMENT_REQUEST_HAS_RISK", "BUYER_ENABLE_STATUS_FORBID"), ("frozen",), ("risk",)),
    "risk.merchant_restricted": _payer(_acq("MERCHANT_PERM_RECEIPT_SUSPEND_LIMIT")),
    "platform.rejected_config": _payer(_acq("AGREEMENT_ERROR")),
    "integration.idempotency": _payer(_acq("CONTEXT_INCONSISTENT"), asks="information"),
    # tills: what a device tells of itself, and the silence of the dead
    "device.battery_low": _ill(("level",), battery=(2, 14), mains=False),
    "device.clock_skew": _ill(("level",), skew_ms=(120_000, 9_000_000)),
    "device.outdated_software": _ill(software="1.0.3"),
    "device.printer": _ill(printer=("no_paper", "broken")),
    "device.scanner": _ill(scanner="broken"),
    "device.driver": _ill(driver=("missing", "failed")),
    "device.misconfigured": _ill(config="rejected"),
    "device.misbound": _ill(standing="frozen"),
    "network.slow": _ill(("level",), rtt_ms=(900, 4_000)),
    "network.lossy": _ill(("loss",), loss=(0.08, 0.5)),
    "network.sim_suspended": _ill(sim="suspended"),
    "network.no_data_left": _ill(data_left_mb=0),
    "device.power_lost": _gone("till", "power"),
    "device.offline": _gone("till", "network"),
    "network.down": _gone("merchant", "network"),
    "network.carrier": _gone("carrier", "network"),
    "network.dns": _gone("till", "dns"),
    "network.tls": _gone("till", "tls"),
    "device.speaker_muted": _speaker("muted"),
    "device.speaker_offline": _speaker("offline"),
    "device.speaker_unbound": _speaker("unbound"),
}  # fmt: skip
