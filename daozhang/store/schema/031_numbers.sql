-- The 128 bits of a payment's ULID, in the same order as its letters; null for another id.
create function dz_number(ident text) returns uuid language sql immutable strict parallel safe as $$
    select case when bits ~ '^00[01]{128}$' then (
        select string_agg(lpad(to_hex(substring(bits from 3 + 32 * k for 32)::bit(32)::bigint), 8, '0'), '' order by k)::uuid
        from generate_series(0, 3) k
    ) end
    from (
        select string_agg((strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', letter) - 1)::bit(5)::text, '' order by at) as bits
        from regexp_split_to_table(right(ident, 26), '') with ordinality as l(letter, at)
    ) told
$$;

-- And back: the payment's id.
create function dz_payment(number uuid) returns text language sql immutable strict parallel safe as $$
    select 'pay_' || string_agg(substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substring(bits from 1 + 5 * k for 5)::bit(5)::int + 1, 1), '' order by k)
    from (select '00' || ('x' || replace(number::text, '-', ''))::bit(128)::text as bits) told, generate_series(0, 25) k
$$;

alter table evidence rename to evidence_before;
alter table evidence_before rename constraint evidence_pkey to evidence_before_pkey;
-- A payment's story: whose it is by its number (16 bytes where the id has 31), wide columns first, so that nothing is lost
-- between them. The detail is as it was handed in, or one short text that store/short.py reads back.
create table evidence (
    at_ms bigint not null,
    n integer not null check (n > 0),
    bucket smallint not null,
    payment uuid not null,
    kind text not null check (kind in ('asked', 'answered', 'notified', 'act', 'told', 'decided')),
    who text not null,
    op text not null,
    proves text not null,
    code text not null,
    text text not null,
    refund text not null,
    detail jsonb not null,
    primary key (bucket, payment, n)
) with (autovacuum_vacuum_cost_delay = 5);
insert into evidence (at_ms, n, bucket, payment, kind, who, op, proves, code, text, refund, detail)
select at_ms, n, bucket, dz_number(payment), kind, who, op, proves, code, text, refund, detail
from evidence_before order by bucket, payment, n;
drop table evidence_before;
create trigger evidence_append_only before update or delete or truncate on evidence
    for each statement execute function append_only();

alter table transfer rename to transfer_before;
-- Postings, likewise (see schema/030).
create table transfer (
    seq bigint generated always as identity,
    amount_fen bigint not null check (amount_fen > 0),
    at_ms bigint not null,
    bucket smallint not null,
    payment uuid not null,
    kind text not null,
    debit text not null,
    credit text not null check (credit <> debit)
) with (autovacuum_vacuum_cost_delay = 5);
insert into transfer (seq, amount_fen, at_ms, bucket, payment, kind, debit, credit) overriding system value
select seq, amount_fen, at_ms, bucket, dz_number(payment), kind, debit, credit from transfer_before order by seq;
select setval(pg_get_serial_sequence('transfer', 'seq'), coalesce((select max(seq) from transfer), 0) + 1, false);
drop table transfer_before;
create index transfer_of_payment on transfer using brin (payment) with (pages_per_range = 32, autosummarize = on);
create trigger transfer_append_only before update or delete or truncate on transfer
    for each statement execute function append_only();
