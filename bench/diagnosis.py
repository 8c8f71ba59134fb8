"""What the diagnosis costs: CPU-us for a healthy payment (seen, told to another process, heard there) and for a dark one
(looked around, weighed), with 100,000 payments in the window; and its memory. ``--grade N``: accuracy on N labelled episodes
of each cause instead (simulated accuracy; field accuracy unmeasured).

    python -m bench.diagnosis
    python -m bench.diagnosis --grade 650 [--seed 1] [--json FILE]
"""

import argparse
import gc
import json
import random
import time
import tracemalloc
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from daozhang.core.evidence import Finding, Op, Proves, answered, asked
from daozhang.core.payment import Method, Payment, State
from daozhang.core.ports import Silent
from daozhang.diagnosis.facts import Around
from daozhang.diagnosis.name import name_causes
from daozhang.flow.lookout import Lookout
from daozhang.ports.clock import RealClock
from daozhang.sim.episodes import alike, episodes, overlapping
from daozhang.sim.grade import baselines, grade

IN_WINDOW = 100_000
_AT = 1_795_400_000_000
_TILLS = 10_000


def payment(n: int, rand: random.Random) -> Payment:
    till = rand.randrange(_TILLS)
    return Payment(
        f"pay_{n:026d}", 1, "mer_1", f"sto_{till // 3}", f"till_{till}", f"A-{n}", 1250, "CNY", Method.PAY_BY_CODE,
        rand.choice(["alipay", "wechatpay"]), "acc_1", False, "tea", "28", {}, _AT + n, state=State.SENT, asked_ms=_AT + n,
    )  # fmt: skip


def cpu_us(work: Callable[[], Any], count: int) -> float:
    began = time.process_time_ns()
    work()
    return (time.process_time_ns() - began) / 1000 / count


def cost() -> dict[str, float]:
    rand = random.Random(1)
    here, there = Lookout(Silent(), RealClock()), Lookout(Silent(), RealClock())
    found = Finding(Proves.CAPTURED, amount_fen=1250, detail={"bank_type": "ICBC_DEBIT"})
    steps = [(one, replace(one, state=State.PAID, decided_ms=one.created_ms + 300)) for one in (payment(n, rand) for n in range(IN_WINDOW))]

    def healthy() -> None:
        for before, after in steps:
            here.asked(before, Op.PAY, found, 20.0)
            here.moved(before, after)

    tracemalloc.start()
    healthy()
    held = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    here = Lookout(Silent(), RealClock())
    gc.collect()
    gc.freeze()  # the prepared payments are the bench's, not the product's: nobody holds 100,000 of them
    seen_us = cpu_us(healthy, IN_WINDOW)
    pieces: list[str] = []
    told_us = cpu_us(lambda: pieces.extend(here.drain()), IN_WINDOW)
    heard_us = cpu_us(lambda: deque(map(there.take, pieces), maxlen=0), IN_WINDOW)
    dark = [payment(IN_WINDOW + n, rand) for n in range(500)]
    doubt = {"code": "READ_TIMEOUT", "hint": "info.reply_lost", "op": "pay", "at_ms": _AT, "alarm": ""}
    stories = []
    for one in dark:
        sick = replace(one, state=State.UNKNOWN, doubt=doubt, created_ms=_AT + IN_WINDOW)
        here.moved(one, sick)
        lost = Finding(code="READ_TIMEOUT", hint="info.reply_lost", trail={"fault": "READ_TIMEOUT"})
        stories.append((sick, [asked(sick.id, 1, _AT, "us", Op.PAY), answered(sick.id, 2, _AT, "alipay", Op.PAY, lost)]))

    def named() -> None:
        for sick, lines in stories:
            name_causes(sick, lines, _AT + IN_WINDOW + 6_000, Around(crowd=here.crowd(sick)))

    return {
        "healthy_us": round(seen_us + told_us + heard_us, 1), "of_it_seen_us": round(seen_us, 1), "told_us": round(told_us, 1),
        "heard_us": round(heard_us, 1), "dark_us": round(cpu_us(named, len(stories)), 1), "window": len(here.window),
        "places": here.window.places(), "window_mb": round(held, 1),
    }  # fmt: skip


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--grade", type=int, default=0)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--json", type=Path)
    given = words.parse_args()
    if not given.grade:
        told: dict[str, Any] = cost()
        print(f"healthy payment {told['healthy_us']} us CPU (goal 20), dark payment {told['dark_us']} us (goal 2000), "
              f"{told['window']} in the window, {told['window_mb']} MB")  # fmt: skip
    else:
        made = list(episodes(given.seed, given.grade))
        told = grade(made).report()
        told["baselines"] = baselines(made)
        told |= {"timeouts": sum(one.symptom == "read_timeout" for one in made), "of_each": given.grade}
        two = grade(overlapping(given.seed, given.grade * 5)).report()
        told["overlapping"] = {name: two[name] for name in ("dark_episodes", "top1", "top1_exact", "class_size", "ece", "proven_wrong")}
        same = grade(alike(given.seed, given.grade * 8)).report()
        told["alike"] = {name: same[name] for name in ("dark_episodes", "top1", "top1_exact", "class_size", "recall")}
        print(told["title"])
        print(f"{told['dark_episodes']} dark episodes: top-1 by class {told['top1']:.4f} (class of {told['class_size']:.2f}), exact "
              f"{told['top1_exact']:.4f}, party {told['party']:.4f}, unknown {told['unknown_share']:.4f}, ECE {told['ece']:.4f}, "
              f"proven and wrong {told['proven_wrong']}; two at once {told['overlapping']['top1']:.4f}")  # fmt: skip
        for label, row in told["confusion"].items():
            print(f"  {label:26} recall {told['recall'][label]:.3f} precision {told['precision'].get(label, 0):.3f}  {row}")
    if given.json:
        given.json.write_text(json.dumps(told, ensure_ascii=False, indent=1), "utf-8")


if __name__ == "__main__":
    main()
