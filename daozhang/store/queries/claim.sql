-- Lease due timers of one bucket. A lease ends by the database's clock; the time a person sees does not matter to it.
-- What is due is chosen once: as a plain sub-select the planner may ask it again for every row, and each time take others.
create or replace function dz_claim(p_now bigint, p_bucket smallint, p_most integer, p_lease_ms bigint)
returns table (subject text, bucket smallint, run_at_ms bigint, fence bigint) language sql as $$
    with due as materialized (
        select d.subject from timer d
        where d.bucket = p_bucket and d.run_at_ms <= p_now
            and (d.lease_until is null or d.lease_until < clock_timestamp()) -- lease
        order by d.run_at_ms limit p_most for update skip locked
    )
    update timer t
    set fence = t.fence + 1, lease_until = clock_timestamp() + p_lease_ms * interval '1 millisecond' -- lease
    from due
    where t.bucket = p_bucket and t.subject = due.subject
    returning t.subject, t.bucket, t.run_at_ms, t.fence
$$;
