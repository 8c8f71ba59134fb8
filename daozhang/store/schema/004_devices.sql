-- Devices and announcements: who stands in the shops, and what they were told. Same rules as the house's books: the
-- merchant's bucket in every key, times in milliseconds given by the caller.

-- A device at one place of one merchant. Its secret is kept as a hash, its signing key sealed under its own id.
create table device (
    bucket smallint not null check (bucket between 0 and 255),
    id text not null,
    merchant text not null,
    shop text not null,
    till text not null,
    type text not null,
    serial text not null check (length(serial) between 4 and 64),
    name text not null check (length(name) between 1 and 128),
    speaks boolean not null,
    standing text not null check (standing in ('enrolling', 'active', 'frozen', 'revoked')),
    created_ms bigint not null,
    enrolled_ms bigint not null,
    secret_sha256 text not null,
    old_sha256 text not null,
    old_until_ms bigint not null,
    sealed bytea not null,
    desired jsonb not null,
    desired_n integer not null check (desired_n > 0),
    primary key (bucket, id),
    foreign key (bucket, shop) references shop (bucket, id),
    foreign key (bucket, till) references till (bucket, id),
    -- Whoever may speak to us has a secret.
    check (standing in ('enrolling', 'revoked') or (secret_sha256 <> '' and enrolled_ms > 0))
);
create index device_of_merchant on device (bucket, merchant, id desc);
create index device_of_serial on device (bucket, merchant, serial);
-- Who speaks at a till.
create index device_of_till on device (bucket, till) where speaks and standing = 'active';

-- One serial is at work for one merchant at one place. The bucket here is the serial's own (crc32), because nobody
-- knows the merchant before.
create table device_serial (
    bucket smallint not null check (bucket between 0 and 255),
    serial text not null,
    merchant text not null,
    device text not null,
    primary key (bucket, serial)
);

-- One-time codes. The bucket is the hash's own, because a device that enrols knows nothing but its code.
create table device_code (
    bucket smallint not null check (bucket between 0 and 255),
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    device text not null,
    until_ms bigint not null,
    used_ms bigint not null default 0,
    primary key (bucket, sha256)
);

-- What is known of a device now: many small changes. `session` fences off connections that a later one has replaced.
create table device_state (
    bucket smallint not null,
    device text not null,
    session bigint not null,
    online boolean not null,
    gateway text not null,
    online_ms bigint not null,
    offline_ms bigint not null,
    offline_why text not null,
    heard_ms bigint not null,
    kinds text[] not null,
    reported jsonb not null,
    primary key (bucket, device),
    foreign key (bucket, device) references device (bucket, id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
create index device_by_gateway on device_state (gateway) where online;

-- What happened to a device, and when.
create table device_fact (
    bucket smallint not null,
    device text not null,
    seq bigint generated always as identity,
    merchant text not null,
    at_ms bigint not null,
    kind text not null,
    detail jsonb not null,
    primary key (bucket, device, seq)
);

-- Something a device shall do, and what came of it.
create table device_command (
    bucket smallint not null,
    id text not null,
    merchant text not null,
    device text not null,
    command text not null,
    args jsonb not null,
    by text not null,
    created_ms bigint not null,
    expires_ms bigint not null,
    state text not null check (state in ('queued', 'delivered', 'done', 'failed', 'expired')),
    session bigint not null default 0,
    delivered_ms bigint not null default 0,
    done_ms bigint not null default 0,
    result jsonb not null default '{}',
    primary key (bucket, id)
);
create index device_command_of on device_command (bucket, device, id desc);

-- How far each reader of the outbox has come, bucket by bucket.
create table outbox_place (
    bucket smallint not null check (bucket between 0 and 255),
    reader text not null,
    xact xid8 not null,
    seq bigint not null,
    primary key (bucket, reader)
) with (fillfactor = 50);
-- The outbox's lines that speakers say.
create index event_to_announce on event (bucket, xact, seq)
    where type in ('payment.paid', 'payment.not_paid', 'payment.closed', 'payment.reversed', 'payment.deferred');

-- One sentence for one speaker, made from one line of the outbox and from nothing else. Its id follows from payment,
-- device and kind, so that it exists once however often the outbox is read.
create table announcement (
    bucket smallint not null,
    id text not null,
    merchant text not null,
    device text not null,
    payment text not null,
    kind text not null check (kind in ('paid', 'not_paid', 'returned', 'later')),
    amount_fen bigint not null check (amount_fen > 0),
    channel text not null,
    at_ms bigint not null,
    queued_ms bigint not null,
    state text not null check (state in ('queued', 'delivered', 'played', 'summarised', 'unheard')),
    sends integer not null default 0,
    session bigint not null default 0,
    late boolean not null default false,
    delivered_ms bigint not null default 0,
    played_ms bigint not null default 0,
    why text not null default '',
    summary text not null default '',
    alarmed_ms bigint not null default 0,
    noted smallint not null default 0 check (noted between 0 and 2),
    lease_ms bigint not null default 0,
    primary key (bucket, id),
    -- Heard means heard at a time.
    check ((state in ('played', 'summarised')) = (played_ms > 0))
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);
-- What a device still has to be told.
create index announcement_due on announcement (bucket, device, at_ms) where state in ('queued', 'delivered');
create index announcement_of_payment on announcement (bucket, payment);
create index announcement_of_device on announcement (bucket, device, at_ms desc);
create index announcement_summary on announcement (bucket, device, summary) where summary <> '';
-- What has to be written into a payment's story: not heard in time, or heard.
create index announcement_to_note on announcement (at_ms)
    where noted = 0 or (noted = 1 and played_ms > 0);

-- Who may follow whom among an announcement's states, held equal to core/fleet.py by a test.
create function announcement_step_allowed() returns trigger language plpgsql as $$
begin
    if not (old.state || '>' || new.state = any (array[
        'queued>delivered', 'queued>played', 'queued>summarised', 'queued>unheard',
        'delivered>played', 'delivered>summarised', 'delivered>unheard'
    ])) then
        raise exception '% is never followed by %', old.state, new.state using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger announcement_step before update on announcement for each row
    when (old.state is distinct from new.state) execute function announcement_step_allowed();
