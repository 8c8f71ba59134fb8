-- The usual batch: payments that begin or step, no refund among them, nobody in the way. The same rows as dz_apply writes
-- (a test holds them equal), by plain statements of which only the needed ones run. Whatever is out of the ordinary (a key
-- or a sale that is taken, a version that is no longer stored) rolls the batch back with an error, and the caller hands
-- the same batch under the same number to dz_apply, which gives each row its own outcome.
create or replace function dz_apply_lean(
    p_lane uuid, p_turn bigint, p_new integer, p_old integer, p_posts boolean, p_keys boolean, p_timers boolean, p_woken text,
    p_changes jsonb
) returns jsonb
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    n integer;
begin
    update lane l set turn = p_turn, outcomes = '[]', seen = clock_timestamp() -- lease
    where l.lane = p_lane and l.turn < p_turn;
    if not found then
        return dz_apply(p_lane, p_turn, p_changes);
    end if;
    if p_new > 0 then
        insert into payment (
            id, bucket, merchant, store, till, merchant_order_no, amount_fen, currency, method, channel,
            account, livemode, subject, code_mask, metadata, created_ms, state, version, evidence_n, sends,
            send_out, asked_ms, window_end_ms, queries, last_query_ms, last_answer_ms, absent, blanks, seen,
            capture_seen, give_up, undo_tries, undo_out, undone, last_undo_ms, first_undo_ms, recheck_ms,
            rechecks, late, question, answer_by_ms, captured_fen, payer_paid_fen, received_fen, fee_fen,
            refunding_fen, refunded_fen, trade_no, paid_ms, decided_ms, decided_by, told_ms, qr, doubt, refusal)
        select
            g.id, g.bucket, g.merchant, g.store, g.till, g.merchant_order_no, g.amount_fen, g.currency,
            g.method, g.channel, g.account, g.livemode, g.subject, g.code_mask, g.metadata, g.created_ms,
            g.state, g.version + 1, g.evidence_n, g.sends, g.send_out, g.asked_ms, g.window_end_ms, g.queries,
            g.last_query_ms, g.last_answer_ms, g.absent, g.blanks, g.seen, g.capture_seen, g.give_up,
            g.undo_tries, g.undo_out, g.undone, g.last_undo_ms, g.first_undo_ms, g.recheck_ms, g.rechecks,
            g.late, g.question, g.answer_by_ms, g.captured_fen, g.payer_paid_fen, g.received_fen, g.fee_fen,
            g.refunding_fen, g.refunded_fen, g.trade_no, g.paid_ms, g.decided_ms, g.decided_by, g.told_ms, g.qr,
            g.doubt, g.refusal
        from jsonb_array_elements(p_changes) as e, jsonb_populate_record(null::payment, e.value -> 'payment') as g
        where g.version = 0;
    end if;
    if p_old > 0 then
        update payment p set
            state = g.state, evidence_n = g.evidence_n, sends = g.sends, send_out = g.send_out, asked_ms =
            g.asked_ms, window_end_ms = g.window_end_ms, queries = g.queries, last_query_ms = g.last_query_ms,
            last_answer_ms = g.last_answer_ms, absent = g.absent, blanks = g.blanks, seen = g.seen, capture_seen
            = g.capture_seen, give_up = g.give_up, undo_tries = g.undo_tries, undo_out = g.undo_out, undone =
            g.undone, last_undo_ms = g.last_undo_ms, first_undo_ms = g.first_undo_ms, recheck_ms = g.recheck_ms,
            rechecks = g.rechecks, late = g.late, question = g.question, answer_by_ms = g.answer_by_ms,
            captured_fen = g.captured_fen, payer_paid_fen = g.payer_paid_fen, received_fen = g.received_fen,
            fee_fen = g.fee_fen, refunding_fen = g.refunding_fen, refunded_fen = g.refunded_fen, trade_no =
            g.trade_no, paid_ms = g.paid_ms, decided_ms = g.decided_ms, decided_by = g.decided_by, told_ms =
            g.told_ms, qr = g.qr, doubt = g.doubt, refusal = g.refusal, version = g.version + 1
        from jsonb_array_elements(p_changes) as e, jsonb_populate_record(null::payment, e.value -> 'payment') as g
        where g.version > 0 and p.bucket = g.bucket and p.id = g.id and p.version = g.version;
        get diagnostics n = row_count;
        if n <> p_old then
            raise exception 'another version is stored' using errcode = 'serialization_failure';
        end if;
    end if;
    insert into evidence (bucket, payment, n, at_ms, kind, who, op, proves, code, text, refund, detail)
    select (w.value #>> '{payment,bucket}')::smallint, (w.value ->> 'number')::uuid, e.n, e.at_ms, e.kind, e.who, e.op, e.proves, e.code,
        e.text, e.refund, e.detail
    from jsonb_array_elements(p_changes) w, jsonb_to_recordset(w.value -> 'evidence') as e(
        n integer, at_ms bigint, kind text, who text, op text, proves text, code text, text text,
        refund text, detail jsonb);
    insert into event (bucket, merchant, type, subject, at_ms, data)
    select (w.value #>> '{payment,bucket}')::smallint, w.value #>> '{payment,merchant}', e.type, e.subject, e.at_ms, e.data
    from jsonb_array_elements(p_changes) w, jsonb_to_recordset(w.value -> 'events') as e(
        type text, subject text, at_ms bigint, data jsonb);
    if p_posts then
        with posted as materialized (
            select (w.value #>> '{payment,bucket}')::smallint as bucket, (w.value ->> 'number')::uuid as number,
                w.value #>> '{payment,merchant}' as merchant, t.value ->> 'kind' as kind, t.value ->> 'debit' as debit,
                t.value ->> 'credit' as credit, (t.value ->> 'amount_fen')::bigint as fen,
                coalesce(w.value #>> '{evidence,-1,at_ms}', w.value #>> '{events,-1,at_ms}')::bigint as at_ms
            from jsonb_array_elements(p_changes) w, jsonb_array_elements(w.value -> 'transfers') t
        ),
        postings as (
            insert into transfer (bucket, payment, kind, debit, credit, amount_fen, at_ms)
            select p.bucket, p.number, p.kind, p.debit, p.credit, p.fen, p.at_ms from posted p
        )
        insert into balance (bucket, merchant, account, fen)
        select s.bucket, s.merchant, s.account, sum(s.fen)
        from (
            select p.bucket, p.merchant, p.debit as account, p.fen from posted p
            union all
            select p.bucket, p.merchant, p.credit, -p.fen from posted p
        ) s
        group by s.bucket, s.merchant, s.account
        order by s.bucket, s.merchant, s.account
        on conflict (bucket, merchant, account) do update set fen = balance.fen + excluded.fen;
    end if;
    if p_keys then
        insert into idempotency (bucket, digest, fingerprint, made, at_ms)
        select (w.value #>> '{payment,bucket}')::smallint,
            substring(sha256(convert_to((w.value #>> '{payment,merchant}') || ' ' || (w.value #>> '{key,key}'), 'UTF8')) for 16),
            decode(w.value #>> '{key,fingerprint}', 'hex'), w.value #>> '{payment,id}', (w.value #>> '{payment,created_ms}')::bigint
        from jsonb_array_elements(p_changes) w where w.value -> 'key' <> 'null'::jsonb;
    end if;
    if p_timers then
        insert into timer (bucket, subject, run_at_ms, fence)
        select (w.value #>> '{payment,bucket}')::smallint, w.value #>> '{payment,id}', (w.value ->> 'timer_ms')::bigint, 1
        from jsonb_array_elements(p_changes) w where (w.value ->> 'timer_ms')::bigint > 0
        on conflict (bucket, subject) do update
            set run_at_ms = excluded.run_at_ms, fence = timer.fence + 1, lease_until = null;
    end if;
    if p_old > 0 then
        delete from timer t using jsonb_array_elements(p_changes) w
        where (w.value ->> 'timer_ms')::bigint = 0
            and t.bucket = (w.value #>> '{payment,bucket}')::smallint and t.subject = w.value #>> '{payment,id}';
    end if;
    if p_woken <> '' then
        perform pg_notify('dz_payment', p_woken);
    end if;
    return '[]'::jsonb;
end $$;
