-- Every look-up here is one through a key, whatever the planner knew of the tables when they were small (see apply.sql).
--
-- Announcements from the outbox: each bucket from where its reader stopped, waiting for transactions that began
-- earlier and commit later. A line whose merchant has no speaker at that till makes nothing. Should announcements and
-- places be lost, they are made again from the outbox, except those whose payment's story says that they were heard.
-- Null stands for every bucket that has something. How many lines were read.
create or replace function dz_announce(p_buckets smallint[], p_now bigint, p_most integer) returns integer
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
    b smallint;
    from_xact xid8;
    from_seq bigint;
    to_xact xid8;
    to_seq bigint;
    lines integer;
    total integer := 0;
    told text;
begin
    if p_buckets is null then
        select coalesce(array_agg(g.b), '{}') into p_buckets
        from (select i::smallint as b from generate_series(0, 255) i) g
        left join lateral (
            select o.xact, o.seq from outbox_place o where o.bucket = g.b and o.reader = 'announcements'
        ) o on true
        cross join lateral (
            select 1 from event e
            where e.bucket = g.b and (e.xact, e.seq) > (coalesce(o.xact, '0'), coalesce(o.seq, -1))
                and e.type in (
                    'payment.paid', 'payment.not_paid', 'payment.closed', 'payment.reversed', 'payment.deferred')
            order by e.xact, e.seq limit 1
        ) e;
    end if;
    foreach b in array p_buckets loop
        select o.xact, o.seq into from_xact, from_seq from outbox_place o
        where o.bucket = b and o.reader = 'announcements' for update skip locked;
        if not found then
            insert into outbox_place (bucket, reader, xact, seq) values (b, 'announcements', '0', -1)
            on conflict do nothing;
            continue when not found; -- another worker has it
            from_xact := '0';
            from_seq := -1;
        end if;
        with line as materialized (
            select e.xact, e.seq, e.merchant, e.type, e.subject, e.at_ms,
                coalesce(p.amount_fen, (e.data ->> 'amount')::bigint) as amount_fen,
                coalesce(p.channel, e.data ->> 'channel') as channel, coalesce(p.till, e.data ->> 'till') as till
            from event e
            left join lateral ( -- a thin event leaves this to its payment: see event_whole
                select y.amount_fen, y.channel, y.till from payment y
                where y.bucket = e.bucket and y.id = e.subject and jsonb_typeof(e.data) = 'array'
                limit 1
            ) p on true
            where e.bucket = b and (e.xact, e.seq) > (from_xact, from_seq)
                and e.xact < pg_snapshot_xmin(pg_current_snapshot())
                and e.type in (
                    'payment.paid', 'payment.not_paid', 'payment.closed', 'payment.reversed', 'payment.deferred')
            order by e.xact, e.seq limit p_most
        ),
        made as (
            insert into announcement (
                bucket, id, merchant, device, payment, kind, amount_fen, channel, at_ms, queued_ms, state)
            select b, 'ann_' || md5(l.subject || ' ' || d.id || ' ' || k.kind), l.merchant, d.id, l.subject, k.kind,
                l.amount_fen, l.channel, l.at_ms, p_now, 'queued'
            from line l
            cross join lateral (select case l.type when 'payment.paid' then 'paid' when 'payment.reversed' then 'returned'
                when 'payment.deferred' then 'later' else 'not_paid' end as kind) k
            cross join lateral (
                select v.id from device v
                where v.bucket = b and v.till = l.till and v.merchant = l.merchant
                    and v.speaks and v.standing = 'active' and v.enrolled_ms <= l.at_ms
                union
                select v.id from till t
                join device v on v.bucket = b and v.shop = t.shop and v.merchant = l.merchant
                where t.bucket = b and t.id = l.till and v.desired -> 'whole_store' = 'true'::jsonb
                    and v.speaks and v.standing = 'active' and v.enrolled_ms <= l.at_ms
                offset 0
            ) d
            left join lateral (
                select true as heard from evidence w
                where w.bucket = b and w.payment = dz_number(l.subject) and w.op = 'announce' and w.kind = 'told'
                    and w.detail ->> 'announcement' = 'ann_' || md5(l.subject || ' ' || d.id || ' ' || k.kind)
                limit 1
            ) h on true
            where l.at_ms > p_now - 86400000
                and h.heard is null
            on conflict do nothing
            returning announcement.device
        )
        select (select count(*) from line),
            (select l.xact from line l order by l.xact desc, l.seq desc limit 1),
            (select l.seq from line l order by l.xact desc, l.seq desc limit 1),
            (select string_agg(distinct m.device, ' ') from made m)
        into lines, to_xact, to_seq, told;
        if lines > 0 then
            update outbox_place o set xact = to_xact, seq = to_seq where o.bucket = b and o.reader = 'announcements';
            total := total + lines;
        end if;
        if told is not null then
            perform pg_notify('dz_device', 'due ' || told);
        end if;
    end loop;
    return total;
end $$;

-- What devices said about announcements, many at once, each row by its key. An acknowledgement only ever moves forward,
-- and only the device that was told can acknowledge.
create or replace function dz_announcements_heard(p_heard jsonb) returns void
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
    h record;
begin
    for h in
        select r.bucket, r.device, r.id, max(r.at_ms) as at_ms, bool_or(r.state = 'played') as played,
            bool_or(r.late) as late, max(r.why) as why
        from jsonb_to_recordset(p_heard) as r(
            bucket smallint, device text, id text, at_ms bigint, state text, late boolean, why text)
        group by r.bucket, r.device, r.id
        order by r.bucket, r.id
    loop
        update announcement a set
            state = case when h.played then 'played' else 'delivered' end,
            delivered_ms = case when a.delivered_ms = 0 then h.at_ms else a.delivered_ms end,
            played_ms = case when h.played then h.at_ms else 0 end,
            late = a.late or h.late,
            why = case when h.played then '' when h.why <> '' then h.why else a.why end
        where a.bucket = h.bucket and a.id = h.id and a.device = h.device and a.state in ('queued', 'delivered');
        if h.played and h.id like 'sum\_%' then
            update announcement a set
                state = 'summarised', played_ms = h.at_ms, late = true, why = '',
                delivered_ms = case when a.delivered_ms = 0 then h.at_ms else a.delivered_ms end
            where a.bucket = h.bucket and a.device = h.device and a.summary = h.id and a.state in ('queued', 'delivered');
        end if;
    end loop;
end $$;

-- Claim what a device has not been sent in this session, newest first. Only the connection that stands may; what it
-- claims is marked before it leaves.
create or replace function dz_announcements_take(
    p_bucket smallint, p_device text, p_session bigint, p_since bigint, p_most integer
) returns setof announcement
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
    perform 1 from device_state s where s.bucket = p_bucket and s.device = p_device and s.session = p_session;
    if not found then
        return;
    end if;
    return query
    update announcement a set sends = a.sends + 1, session = p_session
    where a.bucket = p_bucket and a.state in ('queued', 'delivered') and a.session < p_session
        and a.id = any (array(
            select d.id from announcement d
            where d.bucket = p_bucket and d.device = p_device and d.state in ('queued', 'delivered')
                and d.session < p_session and d.at_ms > p_since
            order by d.at_ms desc limit p_most))
    returning a.*;
end $$;

-- Lease announcements whose payment's story has a new line: heard, said to be silent, or not heard in time.
create or replace function dz_announcements_to_note(p_now bigint, p_silent_ms bigint, p_lease_ms bigint)
returns setof announcement
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
    due record;
begin
    for due in
        select d.bucket, d.id from announcement d
        where (d.noted = 0 or (d.noted = 1 and d.played_ms > 0)) and d.lease_ms <= p_now
            and (d.played_ms > 0 or d.why <> '' or d.at_ms <= p_now - p_silent_ms)
        order by d.at_ms limit 200 for update skip locked
    loop
        return query
        update announcement a set
            lease_ms = p_now + p_lease_ms, alarmed_ms = case when a.played_ms = 0 then p_now else a.alarmed_ms end
        where a.bucket = due.bucket and a.id = due.id returning a.*;
    end loop;
end $$;

-- The lines are written; how far each announcement's story has come (1 an alarm, 2 heard).
create or replace function dz_announcements_noted(p_buckets smallint[], p_ids text[], p_noted smallint[]) returns void
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
    for at in 1 .. coalesce(array_length(p_ids, 1), 0) loop
        update announcement a set noted = greatest(a.noted, p_noted[at]), lease_ms = 0
        where a.bucket = p_buckets[at] and a.id = p_ids[at];
    end loop;
end $$;
