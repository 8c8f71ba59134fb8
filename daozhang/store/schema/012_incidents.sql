-- One row: who watches for all. The lease ends by the database's clock, so that a process that died is followed at once.
create table watch_lead (
    one boolean primary key default true check (one),
    who text not null,
    until timestamptz not null -- lease
);

-- An incident: many payments without information, one reason. Few rows, so they are in no bucket. `published_ms` 0: a draft,
-- which only operators see. `version` counts writers.
create table incident (
    id text primary key,
    livemode boolean not null,
    trouble text not null,
    place text not null check (place in ('till', 'shop', 'merchant', 'software', 'carrier', 'region', 'bank', 'channel', 'all')),
    place_name text not null,
    onset_ms bigint not null,
    opened_ms bigint not null,
    by text not null,
    stage text not null check (stage in ('investigating', 'identified', 'monitoring', 'resolved', 'merged')),
    version integer not null check (version > 0),
    party text not null,
    party_name text not null,
    cause text not null,
    probability double precision not null check (probability between 0 and 1),
    shops integer not null check (shops >= 0),
    merchants integer not null check (merchants >= 0),
    payments integer not null check (payments >= 0),
    amount_fen bigint not null check (amount_fen >= 0),
    share double precision not null check (share between 0 and 1),
    identified_ms bigint not null,
    recovered_ms bigint not null,
    ended_ms bigint not null,
    updated_ms bigint not null,
    published_ms bigint not null,
    published_by text not null,
    merged_into text not null,
    split_from text not null,
    title jsonb not null,
    texts jsonb not null,
    evidence jsonb not null,
    -- What is over says since when, and what was merged says into what.
    check ((stage in ('resolved', 'merged')) = (ended_ms > 0)),
    check ((stage = 'merged') = (merged_into <> '')),
    check ((published_ms > 0) = (published_by <> ''))
);
create index incident_open on incident (opened_ms) where stage not in ('resolved', 'merged');

-- Who may follow whom, held equal to core/incident.py by a test.
create function incident_step_allowed() returns trigger language plpgsql as $$
begin
    if not (old.stage || '>' || new.stage = any (array[
        'investigating>identified', 'investigating>monitoring', 'investigating>resolved', 'investigating>merged',
        'identified>investigating', 'identified>monitoring', 'identified>resolved', 'identified>merged',
        'monitoring>investigating', 'monitoring>identified', 'monitoring>resolved', 'monitoring>merged'
    ])) then
        raise exception '% is never followed by %', old.stage, new.stage using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger incident_step before update on incident for each row
    when (old.stage is distinct from new.stage) execute function incident_step_allowed();

-- An incident's story: one line for each thing that was said.
create table incident_update (
    incident text not null references incident (id),
    n integer not null check (n > 0),
    at_ms bigint not null,
    by text not null,
    stage text not null,
    says jsonb not null,
    primary key (incident, n)
);
create trigger incident_update_append_only before update or delete or truncate on incident_update
    for each statement execute function append_only();

-- A payment that an incident concerns; each belongs to one.
create table incident_payment (
    bucket smallint not null,
    payment text not null,
    incident text not null references incident (id),
    merchant text not null,
    shop text not null,
    amount_fen bigint not null,
    primary key (bucket, payment)
);
create index incident_payment_of on incident_payment (incident, merchant, shop);

-- Announced windows of maintenance of channels (platform) and banks, entered by people or read from a channel's notice.
create table maintenance (
    id text primary key,
    party text not null check (party in ('platform', 'bank')),
    name text not null check (length(name) between 1 and 64),
    from_ms bigint not null,
    until_ms bigint not null check (until_ms > from_ms),
    source text not null check (source in ('person', 'notice')),
    by text not null,
    says jsonb not null,
    created_ms bigint not null,
    removed_ms bigint not null default 0
);
create index maintenance_by_end on maintenance (until_ms) where removed_ms = 0;

-- The last probe of each channel from each place. `place` here: our own way out.
create table channel_probe (
    channel text not null,
    place text not null,
    at_ms bigint not null,
    answered boolean not null,
    took_ms integer not null,
    code text not null,
    primary key (channel, place)
);
