"""Three channels mixed 55/40/5 against Alipay alone, in one run on the same cores: ``python -m bench.payments --mix``.

The rounds alternate; WeChat Pay and UnionPay alone stand beside them, because a UnionPay reply only accepts: its payment is
known by a query a second later, so it costs a second exchange, more commits, and holds its place in the loop that long:
both sides get `PLACES` times the usual places, so that the machine is what limits them, not the waiting.
A payment's cost is the CPU of all processes but the load generator; its signatures are counted from
the channels' own logs (each request is signed once by us and its reply once by the twin) and taken off at their price of this hour.
"""

import asyncio
import json
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import Request, urlopen

from bench.payments import with_twin
from bench.system import System, sign_us

SHARES = {"alipay": 55, "wechatpay": 40, "unionpay": 5}
ROUNDS = 3
PLACES = 3
_NAMES = {"alone": "Alipay alone", "wechatpay": "WeChat alone", "unionpay": "UnionPay alone", "mixed": "mixed 55/40/5"}


def wallets() -> list[str]:
    """A hundred payers, spread evenly: no channel comes in a block."""
    due = dict.fromkeys(SHARES, 0.0)
    made = []
    for _ in range(sum(SHARES.values())):
        due = {name: held + SHARES[name] for name, held in due.items()}
        made.append(max(due, key=lambda name: due[name]))
        due[made[-1]] -= sum(SHARES.values())
    return made


def asked(system: System) -> int:
    """Requests that the channels have written down so far."""
    told = 0
    for channel in SHARES:
        request = Request(f"http://127.0.0.1:{system.base_port + 7}/books?channel={channel}",
                          headers={"Authorization": f"Bearer {system.control_token}"})  # fmt: skip
        with urlopen(request, timeout=60) as reply:
            told += len(json.loads(reply.read())["requests"])
    return told


def one_round(system: System, count: int, in_flight: int, payers: list[str], price_us: float) -> dict[str, Any]:
    before = asked(system)
    told = asyncio.run(with_twin(system, count, in_flight, payers))
    requests = (asked(system) - before) / (count + 300)  # those of the warming-up are like the others
    whole = sum(cost for who, cost in told["cpu_us"].items() if who != "load generator")
    return {**told, "requests": round(requests, 2), "cost_us": whole, "net_us": round(whole - 2 * requests * price_us)}


def run(base_port: int, count: int, in_flight: int) -> dict[str, Any]:
    price = sign_us()
    told: dict[str, Any] = {"sign_us": round(price), "alone": [], "mixed": [], "wechatpay": [], "unionpay": []}
    with System(base_port, notify_base="none") as system:
        for _ in range(ROUNDS):
            told["alone"].append(one_round(system, count, in_flight, ["alipay"], price))
            told["mixed"].append(one_round(system, count, in_flight, wallets(), price))
            told["wechatpay"].append(one_round(system, count, in_flight, ["wechatpay"], price))
        told["unionpay"].append(one_round(system, max(count // 5, 100), in_flight, ["unionpay"], price))
    for name in ("cost_us", "net_us"):
        told[f"{name}_wechatpay_ratio"] = round(_middle(told["wechatpay"], name) / _middle(told["alone"], name), 3)
    for name in ("per_s", "cost_us", "net_us"):
        told[f"{name}_ratio"] = round(_middle(told["mixed"], name) / _middle(told["alone"], name), 3)
    return told


def _middle(rounds: list[dict[str, Any]], name: str) -> float:
    return float(median(row[name] for row in rounds))


def main(base_port: int, count: int, in_flight: int, file: Path | None) -> int:
    told = run(base_port, count, in_flight)
    print(f"code payments, {in_flight} in flight, one RSA signature {told['sign_us']} CPU-us; medians of {ROUNDS} rounds each")
    for key, name in _NAMES.items():
        rounds = told[key]
        cpu = "  ".join(f"{who} {round(median(row['cpu_us'][who] for row in rounds))}" for who in rounds[0]["cpu_us"])
        print(f"  {name:14} {_middle(rounds, 'per_s'):6.0f}/s  p50 {_middle(rounds, 'p50_ms'):6.1f} ms  requests to the channel "
              f"{_middle(rounds, 'requests'):.2f}  CPU-us {_middle(rounds, 'cost_us'):.0f}, without signatures {_middle(rounds, 'net_us'):.0f}"
              f"  ({cpu})  NOT PAID {sum(row['not_paid'] for row in rounds)}")  # fmt: skip
    print(f"  mixed to alone: {told['per_s_ratio']:.2f} of the payments a second; CPU {told['cost_us_ratio']:.2f}, net of signatures {told['net_us_ratio']:.2f}")
    print(f"  WeChat to Alipay: CPU {told['cost_us_wechatpay_ratio']:.2f}, net of signatures {told['net_us_wechatpay_ratio']:.2f}")
    if file:
        file.write_text(json.dumps(told, indent=2))
    return 1 if any(row["not_paid"] for key in _NAMES for row in told[key]) else 0
