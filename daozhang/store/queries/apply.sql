-- One phase of many payments in one transaction (see core/ports.py: Change). Outcomes of single rows (conflict, sale
-- taken, key used) never abort the others; anything unexpected aborts the batch, and the caller then tries smaller ones.
-- A row's payment is locked by its version: whoever read an older one changes nothing.
--
-- A lane numbers its batches. Sent again after a broken connection, a batch that was committed answers what it answered
-- then, and one that is still being committed is waited for: the lane's row is locked by it. So each batch is applied
-- exactly once, and one that was overtaken by a later number never.
--
-- Every look-up is a lateral one through a key: with plans kept for ever, a scan chosen while a table was small
-- would be paid for by every payment after it.
drop function if exists dz_apply(jsonb);
create or replace function dz_apply(p_lane uuid, p_turn bigint, p_changes jsonb) returns jsonb
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    last_turn bigint;
    done jsonb;
    woken text;
begin
    select l.turn, l.outcomes into last_turn, done from lane l where l.lane = p_lane for update;
    if not found then
        insert into lane (lane, turn, outcomes) values (p_lane, 0, '[]') on conflict do nothing;
        select l.turn, l.outcomes into last_turn, done from lane l where l.lane = p_lane for update;
    end if;
    if last_turn = p_turn then
        return done;
    elsif last_turn > p_turn then
        raise exception 'batch % was overtaken by %', p_turn, last_turn using errcode = 'serialization_failure';
    end if;

    with given as materialized (
        select e.ordinality as i, e.value as change, p.*
        from jsonb_array_elements(p_changes) with ordinality as e,
        jsonb_to_record(e.value -> 'payment') as p(
            id text, bucket smallint, merchant text, store text, till text, merchant_order_no text, amount_fen
            bigint, currency text, method text, channel text, account text, livemode boolean, subject text,
            code_mask text, metadata jsonb, created_ms bigint, state text, version integer, evidence_n integer,
            sends integer, send_out boolean, asked_ms bigint, window_end_ms bigint, queries integer,
            last_query_ms bigint, last_answer_ms bigint, absent integer, blanks integer, seen boolean,
            capture_seen boolean, give_up boolean, undo_tries integer, undo_out boolean, undone text,
            last_undo_ms bigint, first_undo_ms bigint, recheck_ms bigint, rechecks integer, late boolean,
            question text, answer_by_ms bigint, captured_fen bigint, payer_paid_fen bigint, received_fen bigint,
            fee_fen bigint, refunding_fen bigint, refunded_fen bigint, trade_no text, paid_ms bigint, decided_ms
            bigint, decided_by integer, told_ms bigint, qr text, doubt jsonb, refusal jsonb)
    ),
    used as (
        select g.i, k.made, k.fingerprint
        from given g cross join lateral (
            select d.made, encode(d.fingerprint, 'hex') as fingerprint from idempotency d
            where d.bucket = g.bucket
                and d.digest = substring(sha256(convert_to(g.merchant || ' ' || (g.change #>> '{key,key}'), 'UTF8')) for 16)
            limit 1
        ) k
        where g.change -> 'key' <> 'null'::jsonb
    ),
    -- A refund moves only from the version that was read, together with its payment.
    moved as (
        select g.i
        from given g left join lateral (
            select f.version, f.payment from refund f where f.bucket = g.bucket and f.id = g.change #>> '{refund,id}' limit 1
        ) r on true
        where g.change -> 'refund' <> 'null'::jsonb
            and (coalesce(r.version, 0) <> (g.change #>> '{refund,version}')::integer or r.payment <> g.id)
    ),
    open_rows as materialized (
        select g.* from given g
        where not exists (select 1 from used u where u.i = g.i) and not exists (select 1 from moved m where m.i = g.i)
    ),
    fresh as (
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
        from open_rows g where g.version = 0
        on conflict do nothing
        returning payment.id
    ),
    stepped as (
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
        from open_rows g
        where g.version > 0 and p.bucket = g.bucket and p.id = g.id and p.version = g.version
        returning p.id
    ),
    written as materialized (
        select g.* from open_rows g
        where (g.id in (select f.id from fresh f union all select s.id from stepped s)) is true -- hashed, not joined
    ),
    told as (
        insert into evidence (bucket, payment, n, at_ms, kind, who, op, proves, code, text, refund, detail)
        select w.bucket, (w.change ->> 'number')::uuid, e.n, e.at_ms, e.kind, e.who, e.op, e.proves, e.code, e.text, e.refund,
            e.detail
        from written w, jsonb_to_recordset(w.change -> 'evidence') as e(
            n integer, at_ms bigint, kind text, who text, op text, proves text, code text, text text, refund text,
            detail jsonb)
    ),
    refunds as (
        insert into refund (
            id, bucket, merchant, payment, amount_fen, kind, reason, created_ms, not_before_ms, state, version,
            tries, out, last_ask_ms, queried, refused_then, fee_back_fen, decided_ms, failure)
        select
            r.id, w.bucket, w.merchant, w.id, r.amount_fen, r.kind, r.reason, r.created_ms,
            r.not_before_ms, r.state, r.version + 1, r.tries, r.out, r.last_ask_ms, r.queried, r.refused_then,
            r.fee_back_fen, r.decided_ms, r.failure
        from written w, jsonb_to_record(w.change -> 'refund') as r(
            id text, bucket smallint, merchant text, payment text, amount_fen bigint, kind text, reason text,
            created_ms bigint, not_before_ms bigint, state text, version integer, tries integer, out boolean,
            last_ask_ms bigint, queried boolean, refused_then integer, fee_back_fen bigint, decided_ms bigint,
            failure jsonb)
        where w.change -> 'refund' <> 'null'::jsonb
        on conflict (bucket, id) do update set
            state = excluded.state, tries = excluded.tries, out = excluded.out, last_ask_ms =
            excluded.last_ask_ms, queried = excluded.queried, refused_then = excluded.refused_then, fee_back_fen
            = excluded.fee_back_fen, decided_ms = excluded.decided_ms, failure = excluded.failure, version =
            excluded.version
    ),
    posted as materialized (
        select w.bucket, (w.change ->> 'number')::uuid as number, w.merchant, w.i, t.ordinality, t.value,
            coalesce(w.change #>> '{evidence,-1,at_ms}', w.change #>> '{events,-1,at_ms}')::bigint as at_ms
        from written w, jsonb_array_elements(w.change -> 'transfers') with ordinality as t
    ),
    postings as (
        insert into transfer (bucket, payment, kind, debit, credit, amount_fen, at_ms)
        select p.bucket, p.number, p.value ->> 'kind', p.value ->> 'debit', p.value ->> 'credit',
            (p.value ->> 'amount_fen')::bigint, p.at_ms
        from posted p order by p.i, p.ordinality
    ),
    balances as (
        insert into balance (bucket, merchant, account, fen)
        select s.bucket, s.merchant, s.account, sum(s.fen)
        from (
            select p.bucket, p.merchant, p.value ->> 'debit' as account, (p.value ->> 'amount_fen')::bigint as fen
            from posted p
            union all
            select p.bucket, p.merchant, p.value ->> 'credit', -(p.value ->> 'amount_fen')::bigint from posted p
        ) s
        group by s.bucket, s.merchant, s.account
        order by s.bucket, s.merchant, s.account
        on conflict (bucket, merchant, account) do update set fen = balance.fen + excluded.fen
    ),
    events as (
        insert into event (bucket, merchant, type, subject, at_ms, data)
        select w.bucket, w.merchant, e.type, e.subject, e.at_ms, e.data
        from written w, jsonb_to_recordset(w.change -> 'events') as e(type text, subject text, at_ms bigint, data jsonb)
        order by w.i
    ),
    keys as (
        insert into idempotency (bucket, digest, fingerprint, made, at_ms)
        select w.bucket, substring(sha256(convert_to(w.merchant || ' ' || (w.change #>> '{key,key}'), 'UTF8')) for 16),
            decode(w.change #>> '{key,fingerprint}', 'hex'), coalesce(w.change #>> '{refund,id}', w.id), w.created_ms
        from written w where w.change -> 'key' <> 'null'::jsonb
    ),
    due as (
        select w.bucket, w.id as subject, (w.change ->> 'timer_ms')::bigint as run_at_ms from written w
        union all
        select w.bucket, w.change #>> '{refund,id}', (w.change ->> 'refund_timer_ms')::bigint
        from written w where w.change -> 'refund' <> 'null'::jsonb
    ),
    set_timers as (
        insert into timer (bucket, subject, run_at_ms, fence)
        select d.bucket, d.subject, d.run_at_ms, 1 from due d where d.run_at_ms > 0
        on conflict (bucket, subject) do update
            set run_at_ms = excluded.run_at_ms, fence = timer.fence + 1, lease_until = null
    ),
    cleared_timers as (
        delete from timer t using due d where d.run_at_ms = 0 and t.bucket = d.bucket and t.subject = d.subject
    )
    select
        coalesce(jsonb_agg(jsonb_build_array(
            g.i, case when u.i is not null then 'key_used' when g.version > 0 or m.i is not null then 'conflict'
                else 'not_new' end, u.made, u.fingerprint)) filter (where w.i is null), '[]'),
        string_agg(w.id, ' ') filter (where (w.change ->> 'wake')::boolean)
    into done, woken
    from given g
        left join used u on u.i = g.i
        left join moved m on m.i = g.i
        left join written w on w.i = g.i;

    update lane l set turn = p_turn, outcomes = done, seen = clock_timestamp() -- lease
    where l.lane = p_lane;
    if woken is not null then
        perform pg_notify('dz_payment', woken);
    end if;
    return done;
end $$;
