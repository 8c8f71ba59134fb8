"""Every problem can happen: each code is provoked, and is told with the same members, in both languages."""

import asyncio
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.requests import Request

from daozhang.api.limits import Gate, GateLimits, Limits
from daozhang.api.problem import KINDS, Problem
from daozhang.api.routes import Asked, Door, Porter
from daozhang.channels.plug import NoBill
from daozhang.core.bill import BadBill
from daozhang.core.directory import ApiKey
from daozhang.core.faults import Conflict, Fault, KeyUsed, Unavailable
from daozhang.core.must import Broken
from daozhang.core.scanned import WORDS
from daozhang.devices.firmware import made
from daozhang.flow.code_watch import TooManyWrongCodes
from tests.api.test_doors import ALL, _other_merchant, body_of
from tests.api.test_incidents import shut
from tests.conftest import System
from tests.gateway.kit import enrol, until

Told = tuple[int, dict[str, str], dict[str, Any]]
Provoke = Callable[[System, str], Told]


def send(system: System, language: str, method: str, path: str, body: Any = None, *, key: str | None = "", raw: bytes | None = None,
         **headers: str) -> Told:  # fmt: skip
    """One call, with its headers. ``key`` "": the demo's own, None: no key at all."""
    given = {"Accept-Language": language, "Idempotency-Key": os.urandom(8).hex(), "Content-Type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        given["Authorization"] = f"Bearer {key or system.state['api_key']}"
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{system.base_port}{path}", data,
                                     {name: value for name, value in given.items() if value}, method=method)  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, {name.lower(): value for name, value in reply.headers.items()}, json.loads(reply.read())
    except urllib.error.HTTPError as refused:
        return refused.code, {name.lower(): value for name, value in refused.headers.items()}, json.loads(refused.read())


def sale(system: System, **more: Any) -> dict[str, Any]:
    return {"amount": 100, "merchant_order_no": f"P-{os.urandom(6).hex()}", "till": system.state["till"],
            "method": {"type": "pay_by_code", "code": system.code()}, **more}  # fmt: skip


def by(method: str, path: str, body: Any = None, **how: Any) -> Provoke:
    return lambda system, language: send(system, language, method, path, body, **how)


def pay(**how: Any) -> Provoke:
    more = how.pop("more", {})
    return lambda system, language: send(system, language, "POST", "/v1/payments", sale(system, **more), **how)


def after_paid(path: str, **body: Any) -> Provoke:
    """On a payment that was just made."""

    def provoke(system: System, language: str) -> Told:
        made = system.pay(amount=100)["id"]
        return send(system, language, "POST", path.replace("{id}", made), {k: made if v == "{id}" else v for k, v in body.items()})

    return provoke


def key_twice(system: System, language: str) -> Told:
    body, name = sale(system), os.urandom(8).hex()
    send(system, language, "POST", "/v1/payments", body, Idempotency_Key=name)
    return send(system, language, "POST", "/v1/payments", body | {"amount": 1}, Idempotency_Key=name)


def sale_twice(system: System, language: str) -> Told:
    order = f"P-{os.urandom(6).hex()}"
    system.pay(order=order)
    return send(system, language, "POST", "/v1/payments", sale(system, merchant_order_no=order))


def refund_of_nothing(system: System, language: str) -> Told:
    return send(system, language, "POST", "/v1/refunds", {"payment": system.pay("no_balance")["id"]})


def no_right(system: System, language: str) -> Told:
    narrow = system.call("POST", "/v1/keys", {"scopes": ["events:read"]})[1]["secret"]
    return send(system, language, "GET", "/v1/balances", key=narrow)


def without_account(system: System, language: str) -> Told:
    other = asyncio.run(_other_merchant(system, ALL))
    return send(system, language, "POST", "/v1/payments", sale(system, till=other["till"]), key=other["api_key"])


def live_in_the_sandbox(system: System, language: str) -> Told:
    live = asyncio.run(_other_merchant(system, ALL, livemode=True))
    return send(system, language, "POST", "/v1/sandbox/code", {}, key=live["api_key"])


def bad_account(system: System, language: str) -> Told:
    given = json.loads(system.cli("sandbox", "credentials", "--json")[1])["alipay"]
    body = {"channel": "alipay", "settings": {name: given[name] for name in ("app_id", "seller_id", "gateway")},
            "secrets": {"app_private_key": "no key", "alipay_public_key": "no key"}}  # fmt: skip
    return send(system, language, "POST", "/v1/channel_accounts", body)


def endpoints_without_end(system: System, language: str) -> Told:
    other = asyncio.run(_other_merchant(system, ALL))
    body = {"url": "http://127.0.0.1:9/", "types": ["test.none"]}
    return [send(system, language, "POST", "/v1/webhook_endpoints", body, key=other["api_key"]) for _ in range(21)][-1]


def device(system: System) -> tuple[str, str]:
    serial = f"SN-{os.urandom(5).hex()}"
    status, made = system.call("POST", "/v1/devices", {"type": "speaker", "till": system.state["till"], "serial": serial})
    assert status == 201, made
    return str(made["id"]), serial


def same_serial(system: System, language: str) -> Told:
    return send(system, language, "POST", "/v1/devices", {"type": "speaker", "till": system.state["till"], "serial": device(system)[1]})


def rolled(key: bytes = b"") -> dict[str, Any]:
    """A configuration for code plates (no other test has any), signed with this system's key (or with another one)."""
    signer = Ed25519PrivateKey.from_private_bytes(key) if key else Ed25519PrivateKey.generate()
    return {"manifest": made(b'{"volume":70}', "plate", "7", signer, kind="config").decode(), "image": "eyJ2b2x1bWUiOjcwfQ=="}


def forged(system: System, language: str) -> Told:
    return send(system, language, "POST", "/v1/rollouts", rolled())


def two_rollouts(system: System, language: str) -> Told:
    enrol(system, system.state["till"], type="plate")
    body = rolled(bytes.fromhex((system.data / "gateway" / "rollout.key").read_text()))
    ident = system.call("POST", "/v1/rollouts", body)[1]["id"]
    told = send(system, language, "POST", "/v1/rollouts", body)
    system.call("POST", f"/v1/rollouts/{ident}/abort")
    until(lambda: system.call("GET", f"/v1/rollouts/{ident}")[1]["state"] == "turned_back", 15)
    return told


def ended_rollout(system: System, language: str) -> Told:
    two_rollouts(system, language)
    return send(system, language, "POST", f"/v1/rollouts/{system.call('GET', '/v1/rollouts')[1]['data'][0]['id']}/pause")


def disabled_endpoint(system: System, language: str) -> Told:
    made = system.call("POST", "/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/off"})[1]["id"]
    system.call("PATCH", f"/v1/webhook_endpoints/{made}", {"enabled": False})
    told = send(system, language, "POST", f"/v1/webhook_endpoints/{made}/test")
    system.call("DELETE", f"/v1/webhook_endpoints/{made}")
    return told


def not_enrolled(system: System, language: str) -> Told:
    return send(system, language, "POST", f"/v1/devices/{device(system)[0]}/rotate")


def porter(gate: Gate | None = None, per_s: int = 1_000) -> Porter:
    house, guard = MagicMock(), MagicMock()
    house.clock.now_ms.return_value, house.clock.monotonic_ms.return_value, house.rand.bytes = 1_800_000_000_000, 1.0, bytes

    async def identify(request: Request) -> Any:
        return MagicMock(key=ApiKey("key_1", 1, "mer_1", False, ALL, "", 1), merchant="mer_1")

    guard.identify = identify
    return Porter(house, guard, Limits(house.clock, per_s), gate or Gate(GateLimits()), lambda line: None)


def behind(door_of: Porter, fault: Exception | None, language: str, begins: bool = False) -> Told:
    """A door of our own whose handler fails: what only a race or a breakdown brings about."""

    async def handler(asked: Asked) -> Any:
        raise fault or AssertionError("never reached")

    async def run() -> Told:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {"type": "http", "method": "POST", "path": "/v1/x", "query_string": b"", "headers": [(b"accept-language", language.encode())]}
        reply = await door_of.endpoint(Door("POST", "/v1/x", handler, "门", "door", begins=begins))(Request(scope, receive))
        return reply.status_code, {name.lower(): value for name, value in reply.headers.items()}, json.loads(bytes(reply.body))

    return asyncio.run(run())


def failing(fault: Exception) -> Provoke:
    return lambda system, language: behind(porter(), fault, language)


def overrun(system: System, language: str) -> Told:
    return behind(porter(Gate(GateLimits(under_way=0))), None, language, begins=True)


def hurried(system: System, language: str) -> Told:
    return behind(porter(per_s=0), None, language)


def shut_channel(system: System, language: str) -> Told:
    with shut(system):
        return until(lambda: (told := once(system, language))[0] == 409 and told, 10)


def once(system: System, language: str) -> Told:
    body = body_of(system, wait_s=0, method={"type": "pay_by_code", "code": system.code(wallet="unionpay")})
    return send(system, language, "POST", "/v1/payments", body)


def ended_incident(system: System, language: str) -> Told:
    made = system.call("POST", "/v1/incidents", {"place": "bank", "place_name": "CEB"})[1]["id"]
    system.call("POST", f"/v1/incidents/{made}/resolve", {})
    return send(system, language, "POST", f"/v1/incidents/{made}/publish")


PROVOKED: dict[str, Provoke] = {
    "bad_json": by("POST", "/v1/payments", raw=b"{"), "bad_field": pay(more={"amount": 0}), "bad_query": by("GET", "/v1/payments?limit=0"),
    "bad_cursor": by("GET", "/v1/events?cursor=x"), "key_missing": pay(Idempotency_Key=""), "key_malformed": pay(Idempotency_Key="a b"),
    "idempotency_key_reused": key_twice, "no_key": by("GET", "/v1/balances", key=None), "bad_key": by("GET", "/v1/balances", key="dz_x"),
    "not_allowed": no_right, "not_found": by("GET", "/v1/payments/pay_x"), "no_route": by("GET", "/v1/nothing"),
    "wrong_mode": by("POST", "/v1/channel_accounts", {"channel": "alipay", "settings": {}, "secrets": {}, "livemode": True}),
    "wrong_method": by("DELETE", "/v1/payments"), "too_long": by("POST", "/v1/payments", raw=b" " * 300_000),
    "wrong_type": by("POST", "/v1/payments", raw=b"amount=100&till=x", Content_Type="application/x-www-form-urlencoded"),
    "sale_taken": sale_twice, "wrong_code": pay(more={"method": {"type": "pay_by_code", "code": "6901234567892"}}),
    "no_account": without_account, "account_unusable": bad_account, "over_refund": after_paid("/v1/refunds", payment="{id}", amount=101),
    "not_refundable": refund_of_nothing, "no_question": after_paid("/v1/payments/{id}/answer", goods_handed_over=True),
    "paid_already": after_paid("/v1/payments/{id}/close"), "moved": failing(Conflict("somebody was faster")),
    "too_many_codes": failing(TooManyWrongCodes(60)), "serial_taken": same_serial, "device_not_active": not_enrolled,
    "rollout_under_way": two_rollouts, "rollout_ended": ended_rollout, "image_refused": forged,
    "endpoint_disabled": disabled_endpoint, "channel_shut": shut_channel, "incident_ended": ended_incident,
    "bad_enrol_code": by("POST", "/v1/devices/enroll", {"code": "AAAA-AAAA", "serial": "SN-1"}, key=None),
    "unavailable": failing(Unavailable("the database is away", 2)), "overloaded": overrun, "slow_down": hurried,
    "bad_url": by("POST", "/v1/webhook_endpoints", {"url": "http://169.254.169.254/"}), "too_many": endpoints_without_end,
    "unknown_version": by("GET", "/v1/balances", Daozhang_Version="1999-01-01"), "no_sandbox": live_in_the_sandbox,
    "no_bill": failing(NoBill("20002", "No Bill Exist")), "bad_bill": failing(BadBill("the totals are missing")),
    "internal": failing(ZeroDivisionError("ours")),
}  # fmt: skip


def test_no_code_is_left_out() -> None:
    assert set(PROVOKED) == set(KINDS)


@pytest.mark.parametrize("code", sorted(KINDS))
def test_each_problem_happens_and_is_told_whole(system: System, code: str) -> None:
    kind, ids = KINDS[code], set()
    for language, title in (("zh-CN", kind.zh), ("en", kind.en)):
        status, headers, told = PROVOKED[code](system, language)
        assert (status, told["code"], told["status"], told["title"]) == (kind.status, code, kind.status, title), told
        assert headers["content-type"] == "application/problem+json" and headers["content-language"][:2] == language[:2]
        assert headers["request-id"] == told["request_id"] and told["request_id"].startswith("req_")
        steps = [{"zh": kind.mend_zh, "en": kind.mend_en}]
        if code == "wrong_code":  # what to do depends on what was scanned
            steps = [{"zh": words.step_zh, "en": words.step_en} for words in WORDS.values()]
        step = told["next_step"]
        # Two say what this very cashier does now; all others what is done with such a problem.
        assert step in steps or (code in ("channel_shut", "sale_taken") and len(step["zh"]) <= 20 and step["en"])
        assert told["detail"] and told["retryable"] is kind.retryable
        assert ("retry-after" in headers) is kind.retryable
        ids.add(told["request_id"])
    assert len(ids) == 2 or code in ("moved", "too_many_codes", "unavailable", "overloaded", "slow_down", "internal", "no_bill", "bad_bill")


@pytest.mark.parametrize(
    ("fault", "code"),
    [(KeyUsed("pay_1", "f"), "idempotency_key_reused"), (Broken("an invariant"), "internal"), (Fault("a channel's own"), "account_unusable"),
     (Problem("too_long"), "too_long")],
)  # fmt: skip
def test_faults_that_no_door_expects_are_still_told(fault: Exception, code: str) -> None:
    assert behind(porter(), fault, "en")[2]["code"] == code
