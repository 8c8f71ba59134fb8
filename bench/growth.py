"""The same speed with many payments stored. ``python -m bench.growth [--stored 10000000] [--payments N] [--json FILE]``.

One run: the speed of an empty database, then so many finished payments with all that belongs to them are written, then the
speed again, with the bytes a payment takes (indexes included) and how far autovacuum is behind.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from bench.payments import with_twin
from bench.system import System
from daozhang.core.ids import bucket_of_merchant

_STEP = 50_000
# Ids as ours look: 10 letters of time, bucket and chance; all of one merchant, the hardest case for its indexes.
_FILL = """
with n as (select i, 'pay_' || lpad(upper(to_hex((1795000000000 + i * 40)::bigint)), 10, '0')
    || translate(upper(substr(md5(i::text || $7), 1, 16)), 'ILOU', 'JKMN') as id from generate_series($1::bigint, $2::bigint) i),
p as (
    insert into payment (id, bucket, merchant, store, till, merchant_order_no, amount_fen, currency, method, channel, account,
        livemode, subject, code_mask, metadata, created_ms, state, version, evidence_n, sends, send_out, asked_ms, window_end_ms,
        queries, last_query_ms, last_answer_ms, absent, blanks, seen, capture_seen, give_up, undo_tries, undo_out, undone,
        last_undo_ms, first_undo_ms, recheck_ms, rechecks, late, question, answer_by_ms, captured_fen, payer_paid_fen,
        received_fen, fee_fen, refunding_fen, refunded_fen, trade_no, paid_ms, decided_ms, decided_by, told_ms, qr, doubt, refusal)
    select id, $3::smallint, $4, $5, $6, 'G-' || i, 1250, 'CNY', 'pay_by_code', 'alipay', 'acc_x', false, '收款', '28••••0000', '{}',
        1795000000000 + i * 40, 'paid', 2, 2, 1, false, 1795000000000 + i * 40, 1795000060000 + i * 40, 0, 0,
        1795000000100 + i * 40, 0, 0, true, true, false, 0, false, '', 0, 0, 0, 0, false, '', 0, 1250, 1250, 1250, 5, 0, 0,
        '2026112322001' || lpad(i::text, 15, '0'), 1795000000100 + i * 40, 1795000000100 + i * 40, 2, 0, '', null, null from n),
e as (
    insert into evidence (bucket, payment, n, at_ms, kind, who, op, proves, code, text, refund, detail)
    select $3::smallint, id, k, 1795000000000 + i * 40 + k, case k when 1 then 'asked' else 'answered' end,
        case k when 1 then 'serve' else 'alipay' end, 'pay', case k when 1 then '' else 'captured' end,
        case k when 1 then '' else '10000' end, '', '', case k when 1 then '{}' else
        jsonb_build_object('code', '10000', 'msg', 'Success', 'trade_no', '2026112322001' || lpad(i::text, 15, '0'),
            'out_trade_no', 'DZ' || substr(id, 5), 'total_amount', '12.50', 'receipt_amount', '12.50', 'gmt_payment',
            '2026-11-23 10:00:00', 'trail', jsonb_build_object('reused', 0.1, 'sent_headers', 0.2, 'sent_body', 0.2, 'first_byte', 9.9,
            'done', 10.1)) end
    from n, generate_series(1, 2) k),
t as (
    insert into transfer (bucket, payment, merchant, kind, debit, credit, amount_fen, at_ms)
    select $3::smallint, id, $4, k.kind, k.debit, k.credit, k.fen, 1795000000100 + i * 40
    from n, (values ('capture', 'clearing:alipay', 'payable', 1250), ('fee', 'payable', 'fee_income', 5)) k (kind, debit, credit, fen)),
v as (
    insert into event (bucket, merchant, type, subject, at_ms, data)
    select $3::smallint, $4, 'payment.' || k, id, 1795000000000 + i * 40, jsonb_build_object('payment', id, 'merchant_order_no',
        'G-' || i, 'amount', 1250, 'amount_refunded', 0, 'currency', 'CNY', 'status', k, 'verdict', k, 'money', 'received', 'till', $6,
        'channel', 'alipay')
    from n, (values ('created'), ('paid')) k (k)),
y as (
    insert into idempotency (bucket, merchant, key, fingerprint, made, at_ms)
    select $3::smallint, $4, md5(id), md5(id) || md5(id), id, 1795000000000 from n)
select count(*) from n
"""


async def fill(system: System, stored: int) -> dict[str, Any]:
    told = system.state
    dsn = psutil.Process(told["pids"]["serve"][0]).environ()["DAOZHANG_DSN"]
    link = await asyncpg.connect(dsn, command_timeout=600)
    before = await link.fetchval("select pg_database_size(current_database())")
    began = time.perf_counter()
    for start in range(0, stored, _STEP):
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


def main() -> int:
    words = argparse.ArgumentParser(description="the same speed with many payments stored")
    words.add_argument("--stored", type=int, default=1_000_000)
    words.add_argument("--payments", type=int, default=3000)
    words.add_argument("--base-port", type=int, default=8200)
    words.add_argument("--json", type=Path, default=None)
    given = words.parse_args()
    with System(given.base_port, notify_base="none") as system:
        told: dict[str, Any] = {"empty": asyncio.run(with_twin(system, given.payments, 64))}
        told |= asyncio.run(fill(system, given.stored))
        told["full"] = asyncio.run(with_twin(system, given.payments, 64))
        told["vacuum"] = asyncio.run(behind(system))
    told["speed_ratio"] = round(told["full"]["per_s"] / told["empty"]["per_s"], 3)
    told["p99_ratio"] = round(told["full"]["p99_ms"] / told["empty"]["p99_ms"], 3)
    pg = told["full"]["cpu_us"]["postgres"] / max(told["empty"]["cpu_us"]["postgres"], 1)
    print(f"{given.stored:,} payments stored, {told['bytes_per_payment']} bytes each with indexes:"
          f" {told['empty']['per_s']} -> {told['full']['per_s']} payments/s (ratio {told['speed_ratio']}), p99 ratio {told['p99_ratio']},"
          f" PostgreSQL CPU ratio {pg:.2f}; {told['vacuum']}")  # fmt: skip
    if given.json:
        given.json.write_text(json.dumps(told, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
