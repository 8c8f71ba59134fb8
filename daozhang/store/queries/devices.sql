-- Announcements from the outbox: each bucket from where its reader stopped, waiting for transactions that began
-- earlier and commit later. A line whose merchant has no speaker at that till makes nothing. Should announcements and
-- places be lost, they are made again from the outbox, except those whose payment's story says that they were heard.
-- How many lines were read.
create or replace function dz_announce(p_buckets smallint[], p_now bigint, p_most integer) returns integer
language plpgsql set plan_cache_mode = force_generic_plan as $$
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
            select e.xact, e.seq, e.merchant, e.type, e.subject, e.at_ms, e.data
            from event e
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
                (l.data ->> 'amount')::bigint, l.data ->> 'channel', l.at_ms, p_now, 'queued'
            from line l
            cross join lateral (select case l.type when 'payment.paid' then 'paid' when 'payment.reversed' then 'returned'
                when 'payment.deferred' then 'later' else 'not_paid' end as kind) k
            join device d on d.bucket = b and d.till = l.data ->> 'till' and d.merchant = l.merchant
                and d.speaks and d.standing = 'active' and d.enrolled_ms <= l.at_ms
            where l.at_ms > p_now - 86400000
                and not exists (
                    select 1 from evidence h
                    where h.bucket = b and h.payment = l.subject and h.op = 'announce' and h.kind = 'told'
                        and h.detail ->> 'announcement' = 'ann_' || md5(l.subject || ' ' || d.id || ' ' || k.kind))
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

-- What devices said about announcements, many at once. An acknowledgement only ever moves forward, and only the device
-- that was told can acknowledge.
create or replace function dz_announcements_heard(p_heard jsonb) returns void
language sql as $$
    with h as (
        select r.bucket, r.device, r.id, max(r.at_ms) as at_ms, bool_or(r.state = 'played') as played,
            bool_or(r.late) as late, max(r.why) as why
        from jsonb_to_recordset(p_heard) as r(
            bucket smallint, device text, id text, at_ms bigint, state text, late boolean, why text)
        group by r.bucket, r.device, r.id
    ),
    one as (
        update announcement a set
            state = case when h.played then 'played' else 'delivered' end,
            delivered_ms = case when a.delivered_ms = 0 then h.at_ms else a.delivered_ms end,
            played_ms = case when h.played then h.at_ms else 0 end,
            late = a.late or h.late,
            why = case when h.played then '' when h.why <> '' then h.why else a.why end
        from h
        where a.bucket = h.bucket and a.id = h.id and a.device = h.device and a.state in ('queued', 'delivered')
    )
    update announcement a set
        state = 'summarised', played_ms = h.at_ms, late = true, why = '',
        delivered_ms = case when a.delivered_ms = 0 then h.at_ms else a.delivered_ms end
    from h
    where h.id like 'sum\_%' and h.played
        and a.bucket = h.bucket and a.device = h.device and a.summary = h.id and a.state in ('queued', 'delivered')
$$;
