-- Where a merchant wants to be told (Standard Webhooks). The cursor says up to where its events were handled; a worker
-- holds the whole endpoint by a lease, so that one slow address never stands in another's way.
create table webhook_endpoint (
    bucket smallint not null,
    id text not null,
    merchant text not null,
    livemode boolean not null,
    url text not null check (length(url) between 8 and 2048),
    types text[] not null,
    description text not null check (length(description) <= 200),
    state text not null check (state in ('enabled', 'failing', 'disabled')),
    sealed bytea not null,
    created_ms bigint not null,
    cursor_xact xid8 not null,
    cursor_seq bigint not null,
    failures integer not null default 0 check (failures >= 0),
    failing_since_ms bigint not null default 0,
    blocked_until_ms bigint not null default 0,
    lease_until timestamptz,
    fence bigint not null default 0,
    primary key (bucket, id),
    -- No address of nobody.
    foreign key (bucket, merchant) references merchant (bucket, id)
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
create index webhook_endpoint_of_merchant on webhook_endpoint (bucket, merchant, id);

-- An event that is to be sent (again) to one endpoint at its time: it failed, or somebody asked for a repeat.
create table webhook_retry (
    bucket smallint not null,
    endpoint text not null,
    seq bigint not null,
    attempts integer not null check (attempts >= 0),
    run_at_ms bigint not null,
    primary key (bucket, endpoint, seq),
    foreign key (bucket, endpoint) references webhook_endpoint (bucket, id) on delete cascade
);
create index webhook_retry_due on webhook_retry (bucket, endpoint, run_at_ms);

-- Every attempt to deliver, as the merchant may see it.
create table webhook_attempt (
    bucket smallint not null,
    endpoint text not null,
    no bigint generated always as identity,
    seq bigint not null,
    n integer not null,
    at_ms bigint not null,
    status integer not null,
    took_ms integer not null,
    error text not null,
    next_ms bigint not null,
    primary key (bucket, endpoint, no),
    foreign key (bucket, endpoint) references webhook_endpoint (bucket, id) on delete cascade
);
