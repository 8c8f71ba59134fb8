-- Lease endpoints that have work: not blocked, and an event lies after the cursor or a repeat is due. Buckets with work
-- first, then each by equality: what a distributed PostgreSQL can lock; all in one transaction, whose end is what costs.
-- The rows to lock are materialized: a plan that ran that part once for each row would take more than were asked for.
create or replace function dz_webhook_claim(p_now bigint, p_failing boolean, p_most integer, p_lease_ms bigint)
returns setof webhook_endpoint
language plpgsql
-- Where most events are one merchant's, the planner takes any merchant to have many and reads the whole table for each endpoint.
set enable_seqscan = off
as $$
declare
    place smallint;
    n integer := 0;
    claimed integer;
    horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
begin
    for place in
        select distinct e.bucket from webhook_endpoint e
        where e.state <> 'disabled' and e.blocked_until_ms <= p_now and (e.failures > 0) = p_failing
            and (e.lease_until is null or e.lease_until < clock_timestamp()) -- lease
            and (
                exists (select 1 from event v where v.bucket = e.bucket
                    and hashtext(v.merchant) = hashtext(e.merchant) and v.merchant = e.merchant
                    and (v.xact, v.seq) > (e.cursor_xact, e.cursor_seq) and v.xact < horizon)
                or exists (select 1 from webhook_retry r
                    where r.bucket = e.bucket and r.endpoint = e.id and r.run_at_ms <= p_now))
    loop
        exit when n >= p_most;
        return query
        with c as materialized (
            select e.id from webhook_endpoint e
            where e.bucket = place and e.state <> 'disabled' and e.blocked_until_ms <= p_now and (e.failures > 0) = p_failing
                and (e.lease_until is null or e.lease_until < clock_timestamp()) -- lease
                and (
                    exists (select 1 from event v where v.bucket = e.bucket
                        and hashtext(v.merchant) = hashtext(e.merchant) and v.merchant = e.merchant
                        and (v.xact, v.seq) > (e.cursor_xact, e.cursor_seq) and v.xact < horizon)
                    or exists (select 1 from webhook_retry r
                        where r.bucket = e.bucket and r.endpoint = e.id and r.run_at_ms <= p_now))
            limit p_most - n for update skip locked
        )
        update webhook_endpoint w
        set lease_until = clock_timestamp() + p_lease_ms * interval '1 millisecond', fence = w.fence + 1 -- lease
        from c where w.bucket = place and w.id = c.id
        returning w.*;
        get diagnostics claimed = row_count;
        n := n + claimed;
    end loop;
end $$;

-- What one round at an endpoint changes, whole or not at all, in one round trip (core/webhook: Round). False: somebody
-- else holds the endpoint by now, and nothing was written. An owner who disabled it meanwhile is not overruled.
create or replace function dz_webhook_finish(
    p_bucket smallint, p_endpoint text, p_fence bigint, p_now bigint, p_lease_ms bigint, p_round jsonb
) returns boolean
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
    owner text;
    place text;
begin
    update webhook_endpoint e set
        cursor_xact = coalesce((p_round ->> 'xact')::xid8, e.cursor_xact),
        cursor_seq = coalesce((p_round ->> 'seq')::bigint, e.cursor_seq),
        state = case e.state when 'disabled' then e.state else p_round ->> 'state' end,
        failures = (p_round ->> 'failures')::integer,
        failing_since_ms = (p_round ->> 'failing_since_ms')::bigint,
        blocked_until_ms = (p_round ->> 'blocked_until_ms')::bigint,
        lease_until = case when (p_round ->> 'let_go')::boolean then null
            else clock_timestamp() + p_lease_ms * interval '1 millisecond' end -- lease
    where e.bucket = p_bucket and e.id = p_endpoint and e.fence = p_fence
    returning e.merchant, e.url into owner, place;
    if not found then
        return false;
    end if;
    if p_round -> 'done' <> '[]' then
        delete from webhook_retry r
        using jsonb_array_elements(p_round -> 'done') d
        where r.bucket = p_bucket and r.endpoint = p_endpoint and r.seq = d::bigint;
    end if;
    if p_round -> 'again' <> '[]' then
        insert into webhook_retry (bucket, endpoint, seq, attempts, run_at_ms)
        select p_bucket, p_endpoint, (a ->> 0)::bigint, (a ->> 1)::integer, (a ->> 2)::bigint
        from jsonb_array_elements(p_round -> 'again') a
        on conflict (bucket, endpoint, seq) do update set attempts = excluded.attempts, run_at_ms = excluded.run_at_ms;
    end if;
    if p_round -> 'attempts' <> '[]' then
        insert into webhook_attempt (bucket, endpoint, seq, n, at_ms, status, took_ms, error, next_ms)
        select p_bucket, p_endpoint, a.seq, a.n, a.at_ms, a.status, a.took_ms, a.error, a.next_ms
        from jsonb_to_recordset(p_round -> 'attempts') as a(
            seq bigint, n integer, at_ms bigint, status integer, took_ms integer, error text, next_ms bigint);
    end if;
    if p_round ->> 'told' <> '' then
        insert into event (bucket, merchant, type, subject, at_ms, data)
        values (p_bucket, owner, p_round ->> 'told', p_endpoint, p_now, jsonb_build_object(
            'endpoint', p_endpoint, 'url', place, 'failures', p_round -> 'failures', 'error', p_round ->> 'why'));
    end if;
    return true;
end $$;
