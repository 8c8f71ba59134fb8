-- Every byte that a payment leaves behind is written twice (the log, the table) and kept for years: what stands elsewhere
-- is not stored again.

-- A payment's event keeps, as an array, only what the payment's row does not say for ever (store/thin.py): status, verdict,
-- money and the amount refunded as they were. Everybody reads events through this view, which puts the others back; what
-- was stored whole is shown as it is.
create view event_whole as
select e.bucket, e.seq, e.xact, e.merchant, e.type, e.subject, e.at_ms,
    case jsonb_typeof(e.data) when 'array' then (
        select jsonb_build_object(
            'payment', p.id, 'merchant_order_no', p.merchant_order_no, 'amount', p.amount_fen, 'currency', p.currency,
            'till', p.till, 'channel', p.channel, 'status', e.data -> 0, 'verdict', e.data -> 1, 'money', e.data -> 2,
            'amount_refunded', e.data -> 3)
        from payment p where p.bucket = e.bucket and p.id = e.subject
    ) else e.data end as data
from event e;

-- Lists, newest first: read backwards, because an index that grows at its far end is left full and one that grows at its
-- near end half empty; and by a hash of the long names, whose owners compare the names themselves.
drop index payment_of_merchant;
create index payment_of_merchant on payment (bucket, hashtext(merchant), id);
drop index payment_of_till;
create index payment_of_till on payment (bucket, hashtext(till), id);

alter table transfer rename to transfer_before;
-- Postings: whose they are, their payment says. Wide columns first, so that nothing is lost between them. The number is
-- unique by itself (it is always generated). Each payment writes four, and hardly anybody looks for those of one: they lie
-- together and ids grow with time, so that a few bytes for each stretch of pages lead to them.
create table transfer (
    seq bigint generated always as identity,
    amount_fen bigint not null check (amount_fen > 0),
    at_ms bigint not null,
    bucket smallint not null,
    payment text not null,
    kind text not null,
    debit text not null,
    credit text not null check (credit <> debit)
) with (autovacuum_vacuum_cost_delay = 5);
insert into transfer (seq, amount_fen, at_ms, bucket, payment, kind, debit, credit) overriding system value
select seq, amount_fen, at_ms, bucket, payment, kind, debit, credit from transfer_before order by seq;
select setval(pg_get_serial_sequence('transfer', 'seq'), coalesce((select max(seq) from transfer), 0) + 1, false);
drop table transfer_before;
create index transfer_of_payment on transfer using brin (payment) with (pages_per_range = 32, autosummarize = on);
create trigger transfer_append_only before update or delete or truncate on transfer
    for each statement execute function append_only();

alter table idempotency rename to idempotency_before;
-- Idempotency keys: the first 16 bytes of the SHA-256 of the merchant and its key. Who asks brings both, so neither is kept.
create table idempotency (
    at_ms bigint not null,
    bucket smallint not null,
    digest bytea not null check (length(digest) = 16),
    fingerprint bytea not null check (length(fingerprint) = 32),
    made text not null,
    constraint idempotency_once primary key (bucket, digest)
) with (autovacuum_vacuum_cost_delay = 5);
insert into idempotency (at_ms, bucket, digest, fingerprint, made)
select at_ms, bucket, substring(sha256(convert_to(merchant || ' ' || key, 'UTF8')) for 16), decode(fingerprint, 'hex'), made
from idempotency_before;
drop table idempotency_before;
alter table idempotency rename constraint idempotency_once to idempotency_pkey;

-- A merchant's events, likewise by a hash of its name.
drop index event_of_merchant;
create index event_of_merchant on event (bucket, hashtext(merchant), xact, seq);

-- The sale lock holds a digest of merchant and order number. As before, one sale has at most one open or paid attempt (P3).
drop index payment_sale_lock;
create unique index payment_sale_lock on payment (bucket, (md5(merchant || ' ' || merchant_order_no)::uuid))
    where state not in ('not_paid', 'closed', 'reversed', 'refunded', 'surplus');

-- The events of one subject, by the time inside its id: new entries come at the end, where a hash puts them anywhere.
drop index event_of_subject;
create index event_of_subject on event (bucket, left(subject, 14));
