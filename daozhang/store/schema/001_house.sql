-- The house's books. Every table has the merchant's bucket in its key, so that a distributed PostgreSQL can split them
-- by it (2-house section 4). Money is whole fen in bigint. Times are milliseconds since 1970 in UTC, named *_ms; they
-- are given by the caller, never taken from the database's clock: only leases use that.

-- A merchant: who takes money, and what happens when nobody answers a question about it.
create table merchant (
    bucket smallint not null check (bucket between 0 and 255),
    id text not null,
    name text not null check (length(name) between 1 and 200),
    livemode boolean not null,
    created_ms bigint not null,
    late_policy text not null check (late_policy in ('keep', 'refund')),
    late_after_s integer not null check (late_after_s between 60 and 604800),
    trade text not null check (trade in ('goods', 'consumed')),
    settlement_mode text not null check (settlement_mode in ('channel_direct', 'licensed')),
    primary key (bucket, id)
);
-- The platform's list of merchants runs over all buckets.
create index merchant_by_id on merchant (id);

-- A merchant's store (called shop here, because the store is this database's port).
create table shop (
    bucket smallint not null,
    id text not null,
    merchant text not null,
    name text not null check (length(name) between 1 and 200),
    created_ms bigint not null,
    primary key (bucket, id),
    -- No store of nobody.
    foreign key (bucket, merchant) references merchant (bucket, id)
);
create index shop_of_merchant on shop (bucket, merchant, id);

-- A till: where a cashier stands.
create table till (
    bucket smallint not null,
    id text not null,
    merchant text not null,
    shop text not null,
    name text not null check (length(name) between 1 and 200),
    created_ms bigint not null,
    primary key (bucket, id),
    -- No till outside a store.
    foreign key (bucket, shop) references shop (bucket, id)
);
create index till_of_merchant on till (bucket, merchant, id);

-- A program's key: only its hash is kept, so that a copy of this table opens no door.
create table api_key (
    bucket smallint not null,
    id text not null,
    merchant text not null,
    livemode boolean not null,
    scopes text[] not null,
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    created_ms bigint not null,
    revoked_ms bigint not null default 0,
    primary key (bucket, id)
);
-- A key comes without its bucket: the hash finds it, and no two keys are alike.
create unique index api_key_by_hash on api_key (bucket, sha256);
create index api_key_hash on api_key (sha256);
create index api_key_of_merchant on api_key (bucket, merchant, id);

-- A merchant's account at a channel: settings in clear, secrets sealed with the account's id as associated data.
create table channel_account (
    bucket smallint not null,
    id text not null,
    merchant text not null,
    channel text not null,
    livemode boolean not null,
    fee_rate integer not null check (fee_rate between 0 and 100000),
    settings jsonb not null,
    sealed bytea not null,
    primary key (bucket, id),
    foreign key (bucket, merchant) references merchant (bucket, id)
);
create index account_of_merchant on channel_account (bucket, merchant, channel, livemode, id);
create index account_by_app on channel_account (channel, (settings ->> 'app_id'));

-- One attempt to take one sale's money. The row is what is known now; how we know it is in `evidence`.
create table payment (
    bucket smallint not null check (bucket between 0 and 255),
    id text not null,
    merchant text not null,
    store text not null,
    till text not null,
    merchant_order_no text not null check (length(merchant_order_no) between 1 and 64),
    amount_fen bigint not null check (amount_fen between 1 and 10000000000),
    currency text not null check (currency = 'CNY'),
    method text not null check (method in ('pay_by_code', 'pay_by_qr')),
    channel text not null,
    account text not null,
    livemode boolean not null,
    subject text not null,
    code_mask text not null,
    metadata jsonb not null,
    created_ms bigint not null,
    state text not null check (state in (
        'created', 'sent', 'waiting_payer', 'unknown', 'reversing', 'deferred', 'paid', 'partly_refunded', 'refunded',
        'not_paid', 'closed', 'reversed', 'surplus')),
    version integer not null check (version > 0),
    evidence_n integer not null check (evidence_n >= 0),
    sends integer not null,
    send_out boolean not null,
    asked_ms bigint not null,
    window_end_ms bigint not null,
    queries integer not null,
    last_query_ms bigint not null,
    last_answer_ms bigint not null,
    absent integer not null,
    blanks integer not null,
    seen boolean not null,
    capture_seen boolean not null,
    give_up boolean not null,
    undo_tries integer not null,
    undo_out boolean not null,
    undone text not null check (undone in ('', 'unpaid', 'paid', 'absent', 'refused')),
    last_undo_ms bigint not null,
    first_undo_ms bigint not null,
    recheck_ms bigint not null,
    rechecks integer not null,
    late boolean not null,
    question text not null check (question in ('', 'late_success', 'look_alike')),
    answer_by_ms bigint not null,
    captured_fen bigint not null,
    payer_paid_fen bigint not null,
    received_fen bigint not null,
    fee_fen bigint not null check (fee_fen >= 0),
    refunding_fen bigint not null check (refunding_fen >= 0),
    refunded_fen bigint not null check (refunded_fen >= 0),
    trade_no text not null,
    paid_ms bigint not null,
    decided_ms bigint not null,
    decided_by integer not null,
    told_ms bigint not null,
    qr text not null,
    doubt jsonb,
    refusal jsonb,
    primary key (bucket, id),
    -- A payment counts as captured exactly in the states that say so, and then with its whole amount (P1, P2).
    constraint captured_means_received check (
        (state in ('paid', 'partly_refunded', 'refunded', 'surplus')) = (captured_fen > 0)
        and captured_fen in (0, amount_fen)),
    -- No more goes back than came in, counting refunds under way.
    constraint no_over_refund check (refunding_fen + refunded_fen <= captured_fen),
    -- The refund states say how much has gone back.
    constraint refunded_in_words check (
        case state when 'paid' then refunded_fen = 0 when 'refunded' then refunded_fen = captured_fen
        when 'partly_refunded' then refunded_fen between 1 and captured_fen - 1 else true end),
    -- An end names when it was proven and by which evidence (P1, P2).
    constraint proven_by_something check (
        (state in ('created', 'sent', 'waiting_payer', 'unknown', 'reversing', 'deferred'))
        or (decided_ms > 0 and decided_by between 1 and evidence_n))
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
-- The sale lock: one sale has at most one open or paid attempt (P3). New attempts only after these ends.
create unique index payment_sale_lock on payment (bucket, merchant, merchant_order_no)
    where state not in ('not_paid', 'closed', 'reversed', 'refunded', 'surplus');
-- Lists of a merchant, newest first: the id begins with the time.
create index payment_of_merchant on payment (bucket, merchant, id desc);
create index payment_of_sale on payment (bucket, merchant, merchant_order_no, id desc);
create index payment_of_till on payment (bucket, till, id desc);
-- Ends other than plainly paid are few, and asked for by themselves.
create index payment_otherwise on payment (bucket, merchant, id desc)
    where state in ('not_paid', 'closed', 'reversed', 'surplus', 'partly_refunded', 'refunded');
-- A person at the counter reads out the last characters of a number: ours, the merchant's or the channel's.
-- One index holds all three, as numbers: it takes new entries in bulk, so that each payment pays little for it.
create index payment_by_tail on payment using gin ((array[
    hashtext(merchant || right(id, 4)), hashtext(merchant || right(merchant_order_no, 4)),
    hashtext(merchant || right(trade_no, 4))]));
-- What is unproven is few, and asked for often.
create index payment_open on payment (bucket, merchant, id)
    where state in ('created', 'sent', 'waiting_payer', 'unknown', 'reversing', 'deferred');

-- Who may follow whom, in the database's own words; made from core/payment.py and held equal to it by a test.
create function payment_step_allowed() returns trigger language plpgsql as $$
begin
    if not (old.state || '>' || new.state = any (array[
        'created>sent',
        'sent>waiting_payer', 'sent>unknown', 'sent>reversing', 'sent>paid', 'sent>not_paid', 'sent>closed',
        'sent>reversed', 'sent>surplus',
        'waiting_payer>unknown', 'waiting_payer>reversing', 'waiting_payer>paid', 'waiting_payer>not_paid',
        'waiting_payer>closed', 'waiting_payer>reversed', 'waiting_payer>surplus',
        'unknown>waiting_payer', 'unknown>reversing', 'unknown>paid', 'unknown>not_paid', 'unknown>closed',
        'unknown>reversed', 'unknown>surplus',
        'reversing>deferred', 'reversing>paid', 'reversing>not_paid', 'reversing>closed', 'reversing>reversed',
        'reversing>surplus',
        'deferred>reversing', 'deferred>paid', 'deferred>not_paid', 'deferred>closed', 'deferred>reversed',
        'deferred>surplus',
        'paid>partly_refunded', 'paid>refunded', 'partly_refunded>refunded',
        'not_paid>paid', 'not_paid>surplus', 'closed>paid', 'closed>surplus', 'reversed>paid', 'reversed>surplus'
    ])) then
        raise exception '% is never followed by %', old.state, new.state using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger payment_step before update on payment for each row
    when (old.state is distinct from new.state) execute function payment_step_allowed();

-- One refund of one payment.
create table refund (
    bucket smallint not null,
    id text not null,
    merchant text not null,
    payment text not null,
    amount_fen bigint not null check (amount_fen > 0),
    kind text not null check (kind in ('refund', 'undo', 'surplus', 'late_success')),
    reason text not null,
    created_ms bigint not null,
    not_before_ms bigint not null,
    state text not null check (state in ('created', 'sent', 'unknown', 'waiting_funds', 'succeeded', 'failed')),
    version integer not null check (version > 0),
    tries integer not null,
    out boolean not null,
    last_ask_ms bigint not null,
    queried boolean not null,
    refused_then integer not null,
    fee_back_fen bigint not null check (fee_back_fen >= 0),
    decided_ms bigint not null,
    failure jsonb,
    primary key (bucket, id),
    foreign key (bucket, payment) references payment (bucket, id),
    -- An end has its time.
    check ((state in ('succeeded', 'failed')) = (decided_ms > 0))
) with (fillfactor = 70);
-- Who may follow whom among a refund's states, held equal to core/refund.py by a test; and a refund never changes its
-- payment, its amount or its reason.
create function refund_step_allowed() returns trigger language plpgsql as $$
begin
    if (new.merchant, new.payment, new.amount_fen, new.kind) is distinct from
        (old.merchant, old.payment, old.amount_fen, old.kind)
    then
        raise exception 'a refund stays what it was' using errcode = 'check_violation';
    end if;
    if new.state <> old.state and not (old.state || '>' || new.state = any (array[
        'created>sent',
        'sent>unknown', 'sent>waiting_funds', 'sent>succeeded', 'sent>failed',
        'unknown>waiting_funds', 'unknown>succeeded', 'unknown>failed',
        'waiting_funds>unknown', 'waiting_funds>succeeded', 'waiting_funds>failed'
    ])) then
        raise exception 'a refund''s % is never followed by %', old.state, new.state using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger refund_step before update on refund for each row execute function refund_step_allowed();
create index refund_of_payment on refund (bucket, payment, id);
create index refund_of_merchant on refund (bucket, merchant, id desc);

-- What was said about a payment, by whom, and what it proves. Append-only: a story is never rewritten.
create table evidence (
    bucket smallint not null,
    payment text not null,
    n integer not null check (n > 0),
    at_ms bigint not null,
    kind text not null check (kind in ('asked', 'answered', 'notified', 'act', 'told', 'decided')),
    who text not null,
    op text not null,
    proves text not null,
    code text not null,
    text text not null,
    refund text not null,
    detail jsonb not null,
    primary key (bucket, payment, n)
);

-- Double entry as transfers: each row moves money from the credited to the debited account, so both sides are equal
-- by shape (P9). Append-only.
create table transfer (
    bucket smallint not null,
    payment text not null,
    seq bigint generated always as identity,
    merchant text not null,
    kind text not null,
    debit text not null,
    credit text not null check (credit <> debit),
    amount_fen bigint not null check (amount_fen > 0),
    at_ms bigint not null,
    primary key (bucket, payment, seq)
);

-- Each account's balance (debits minus credits), kept by the same transaction as the transfers. Few and hot rows.
create table balance (
    bucket smallint not null,
    merchant text not null,
    account text not null,
    fen bigint not null,
    primary key (bucket, merchant, account)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- When somebody must next look at a payment or a refund (P6). A lease is a row whose time was moved into the future;
-- the fence makes a holder who comes back too late harmless.
create table timer (
    bucket smallint not null,
    subject text not null,
    run_at_ms bigint not null check (run_at_ms > 0),
    fence bigint not null,
    lease_until timestamptz,
    primary key (bucket, subject)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
create index timer_due on timer (bucket, run_at_ms);

-- The outbox: one line for everybody who must hear, in the same transaction as what happened. `xact` lets readers wait
-- for those who took a number earlier and commit later.
create table event (
    bucket smallint not null,
    seq bigint generated always as identity,
    xact xid8 not null default pg_current_xact_id(),
    merchant text not null,
    type text not null,
    subject text not null,
    at_ms bigint not null,
    data jsonb not null,
    primary key (bucket, seq)
);
create index event_of_merchant on event (bucket, merchant, xact, seq);
create index event_of_subject on event (bucket, subject, seq);

-- Idempotency keys: a repeat finds what the first request made, and never makes it again (P11).
create table idempotency (
    bucket smallint not null,
    merchant text not null,
    key text not null check (length(key) between 1 and 255),
    fingerprint text not null,
    made text not null,
    at_ms bigint not null,
    primary key (bucket, merchant, key)
);

-- What each writer's lane committed last, so that a batch sent again after a broken connection is applied exactly once
-- (P11). One row per lane of each process; rows of processes long gone are swept away.
create table lane (
    lane uuid primary key,
    turn bigint not null,
    outcomes jsonb not null,
    seen timestamptz not null default clock_timestamp() -- lease
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- What contradicts us: forged notifies, wrong amounts. Kept until a person has seen it.
create table alarm (
    seq bigint generated always as identity primary key,
    kind text not null,
    subject text not null,
    at_ms bigint not null,
    detail jsonb not null
);

-- Stories and postings are added to, never changed.
create function append_only() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'integrity_constraint_violation';
end $$;
create trigger evidence_append_only before update or delete or truncate on evidence
    for each statement execute function append_only();
create trigger transfer_append_only before update or delete or truncate on transfer
    for each statement execute function append_only();
create trigger event_append_only before update or truncate on event
    for each statement execute function append_only();
