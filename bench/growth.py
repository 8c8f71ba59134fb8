"""The same speed with many payments stored. ``python -m bench.growth [--stored 10000000] [--payments N] [--json FILE]``.

So many finished payments with all that belongs to them are written into one of two systems; then both pay in turns, so
that what else the machine does meets both alike. Printed with the bytes a payment takes (indexes included) and how far
autovacuum is behind at the end and a minute later. ``--wait`` holds the rounds until Enter is pressed.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import psutil

from bench.payments import with_twin
from bench.system import System
from daozhang.core.ids import bucket_of_merchant

_STEP = 50_000
# What the product writes for one code payment of Alipay, in its order: a payment ends while sixty-four others begin. Ids as ours look: 10 letters of time, bucket and chance; all of one merchant, the hardest case for its indexes.
_FILL = """
with n as (select i, 'pay_' || lpad(upper(to_hex((1795000000000 + i * 40)::bigint)), 10, '0')
    || translate(upper(substr(md5(i::text || $7), 1, 16)), 'ILOU', 'JKMN') as id,
    (lpad(to_hex((1795000000000 + i * 40)::bigint), 12, '0') || substr(md5(i::text || $7), 1, 20))::uuid as number from generate_series($1::bigint, $2::bigint) i),
p as (
    insert into payment (id, bucket, merchant, store, till, merchant_order_no, amount_fen, currency, method, channel, account,
        livemode, subject, code_mask, metadata, created_ms, state, version, evidence_n, sends, send_out, asked_ms, window_end_ms,
        queries, last_query_ms, last_answer_ms, absent, blanks, seen, capture_seen, give_up, undo_tries, undo_out, undone,
        last_undo_ms, first_undo_ms, recheck_ms, rechecks, late, question, answer_by_ms, captured_fen, payer_paid_fen,
        received_fen, fee_fen, refunding_fen, refunded_fen, trade_no, paid_ms, decided_ms, decided_by, told_ms, qr, doubt, refusal)
    select id, $3::smallint, $4, $5, $6, 'G-' || i, 1250, 'CNY', 'pay_by_code', 'alipay', 'acc_x', false, '收款', '28••••0000', '{}',
        1795000000000 + i * 40, 'paid', 2, 2, 1, false, 1795000000000 + i * 40, 1795000060000 + i * 40, 0, 0,
        1795000000100 + i * 40, 0, 0, true, true, false, 0, false, '', 0, 0, 0, 0, false, '', 0, 1250, 1250, 1250, 5, 0, 0,
        '2026112322001' || lpad(i::text, 15, '0'), 1795000000100 + i * 40, 1795000000100 + i * 40, 2, 0, '', null, null from n order by i),
e as (
    insert into evidence (bucket, payment, n, at_ms, kind, who, op, proves, code, text, refund, detail)
    select $3::smallint, number, k, 1795000000000 + i * 40 + k, case k when 1 then 'asked' else 'answered' end,
        case k when 1 then 'serve' else 'alipay' end, 'pay', case k when 1 then '' else 'captured' end,
        case k when 1 then '' else '10000' end, case k when 1 then '' else 'Success' end, '', case k when 1 then '{}' else
        to_jsonb('1ff|115 10.1 0.1 0.2 9.9 0.2|=c|=t|2026112322001' || lpad(i::text, 15, '0') || '|2026-11-23 10:00:00|=o|12.50|12.50|12.50') end
    from n, generate_series(1, 2) k order by i + k * 64, k),
t as (
    insert into transfer (bucket, payment, kind, debit, credit, amount_fen, at_ms)
    select $3::smallint, number, k.kind, k.debit, k.credit, k.fen, 1795000000100 + i * 40
    from n, (values (0, 'doubt', 'in_doubt:alipay', 'suspense', 1250), (1, 'capture', 'clearing:alipay', 'in_doubt:alipay', 1250),
        (2, 'earned', 'suspense', 'payable', 1250), (3, 'fee', 'payable', 'fee_income', 5)) k (at, kind, debit, credit, fen)
    order by i + least(at, 1) * 64, at),
v as (
    insert into event (bucket, merchant, type, subject, at_ms, data)
    select $3::smallint, $4, 'payment.' || k, id, 1795000000000 + i * 40, jsonb_build_array(status, verdict, money, 0)
    from n, (values (0, 'created', 'created', 'checking', 'unresolved'), (1, 'paid', 'paid', 'paid', 'received')) k (at, k, status, verdict, money) order by i + at * 64, at),
y as (
    insert into idempotency (bucket, digest, fingerprint, made, at_ms)
    select $3::smallint, decode(md5(id), 'hex'), decode(md5(id) || md5(id), 'hex'), id, 1795000000000 from n)
select count(*) from n
"""


async def fill(system: System, stored: int, within_s: float) -> dict[str, Any]:
    """Ends early when the time is over, and tells how many are stored."""
    told = system.state
    dsn = psutil.Process(told["pids"]["serve"][0]).environ()["DAOZHANG_DSN"]
    link = await asyncpg.connect(dsn, command_timeout=600, server_settings={"statement_timeout": "0", "synchronous_commit": "off"})
    before = await link.fetchval("select pg_database_size(current_database())")
    began = time.perf_counter()
    for start in range(0, stored, _STEP):
        if time.perf_counter() - began > within_s:
            stored = start
            break
        end = min(start + _STEP, stored) - 1
        await link.execute(_FILL, start, end, bucket_of_merchant(told["merchant"]), told["merchant"], told["store"], told["till"], "x")
        if start % (20 * _STEP) == 0:
            print(f"  stored {end + 1:,} in {time.perf_counter() - began:.0f} s", flush=True)
    await link.execute("analyze")
    after = await link.fetchval("select pg_database_size(current_database())")
    await link.close()
    return {"stored": stored, "bytes_per_payment": round((after - before) / stored), "filled_s": round(time.perf_counter() - began)}


async def behind(system: System) -> dict[str, int]:
    """Dead rows of the busy tables: what autovacuum has still to do."""
    link = await asyncpg.connect(psutil.Process(system.state["pids"]["serve"][0]).environ()["DAOZHANG_DSN"])
    rows = await link.fetch("select relname, n_dead_tup, n_live_tup, autovacuum_count from pg_stat_user_tables"
                            " where relname in ('payment', 'balance', 'timer', 'lane')")  # fmt: skip
    await link.close()
    return {f"{row['relname']}_dead": row["n_dead_tup"] for row in rows} | {f"{row['relname']}_vacuums": row["autovacuum_count"] for row in rows}


def one_round(system: System, count: int) -> dict[str, Any]:
    return asyncio.run(with_twin(system, count, 64))


def _middle(rounds: list[dict[str, Any]], name: str) -> float:
    return float(median(row["cpu_us"][name] if name in row["cpu_us"] else row[name] for row in rounds))


def run(base_port: int, stored: int, within_s: float, count: int, rounds: int, wait: bool) -> dict[str, Any]:
    with System(base_port, notify_base="none") as full, System(base_port + 100, notify_base="none") as empty:
        told: dict[str, Any] = {**asyncio.run(fill(full, stored, within_s)), "empty": [], "full": []}
        if wait:
            input("filled; Enter begins the rounds ")
        for system in (full, empty):  # what is read from the disk for the first time belongs to neither
            one_round(system, count)
        for _ in range(rounds):
            told["empty"].append(one_round(empty, count))
            told["full"].append(one_round(full, count))
        told["vacuum"] = asyncio.run(behind(full))
        time.sleep(60)
        told["vacuum_a_minute_later"] = asyncio.run(behind(full))
    for name in ("per_s", "p99_ms", "postgres"):
        told[f"{name}_ratio"] = round(_middle(told["full"], name) / max(_middle(told["empty"], name), 1), 3)
    return told


def main() -> int:
    words = argparse.ArgumentParser(description="the same speed with many payments stored")
    words.add_argument("--stored", type=int, default=1_000_000)
    words.add_argument("--fill-s", type=float, default=36_000, help="stop filling after so many seconds")
    words.add_argument("--payments", type=int, default=3000)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--base-port", type=int, default=8200)
    words.add_argument("--wait", action="store_true", help="begin the rounds when Enter is pressed")
    words.add_argument("--json", type=Path, default=None)
    given = words.parse_args()
    told = run(given.base_port, given.stored, given.fill_s, given.payments, given.rounds, given.wait)
    print(f"{told['stored']:,} payments stored, {told['bytes_per_payment']} bytes each with indexes; medians of {given.rounds} rounds in turn:")
    for key, name in (("empty", "empty"), ("full", "full")):
        print(f"  {name:6} {_middle(told[key], 'per_s'):6.0f}/s  p99 {_middle(told[key], 'p99_ms'):6.1f} ms  PostgreSQL {_middle(told[key], 'postgres'):.0f} CPU-us"
              f"  NOT PAID {sum(row['not_paid'] for row in told[key])}")  # fmt: skip
    print(f"  full to empty: {told['per_s_ratio']:.2f} of the payments a second, p99 {told['p99_ms_ratio']:.2f}, PostgreSQL's CPU {told['postgres_ratio']:.2f}")
    print(f"  autovacuum at the end {told['vacuum']}, a minute later {told['vacuum_a_minute_later']}")
    if given.json:
        given.json.write_text(json.dumps(told, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
