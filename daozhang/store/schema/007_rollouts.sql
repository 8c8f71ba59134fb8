-- Roll-outs to a merchant's devices. Same rules as the house's books.

-- One signed image or configuration, on its way to the devices of one type, stage by stage.
create table rollout (
    bucket smallint not null check (bucket between 0 and 255),
    id text not null,
    merchant text not null,
    type text not null,
    kind text not null check (kind in ('firmware', 'config')),
    version text not null check (length(version) between 1 and 64),
    manifest text not null check (length(manifest) between 1 and 8192),
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    url text not null,
    desired jsonb not null,
    rules jsonb not null,
    by text not null,
    created_ms bigint not null,
    state text not null check (state in ('rolling', 'paused', 'turning_back', 'turned_back', 'done')),
    stage smallint not null check (stage >= 0),
    stage_ms bigint not null,
    why text not null,
    ended_ms bigint not null,
    lease_ms bigint not null default 0,
    primary key (bucket, id),
    -- Whoever stops says why.
    check (state not in ('turning_back', 'turned_back') or why <> '')
);
create index rollout_of_merchant on rollout (bucket, merchant, id desc);
-- Two at once for the same devices could not be told apart by their KPIs.
create unique index rollout_alone on rollout (bucket, merchant, type, kind) where state in ('rolling', 'paused', 'turning_back');
create index rollout_due on rollout (lease_ms) where state in ('rolling', 'turning_back');

-- Images under their own hash, so that the same one is kept once.
create table rollout_image (
    sha256 text not null primary key check (sha256 ~ '^[0-9a-f]{64}$'),
    created_ms bigint not null,
    image bytea not null
);

-- A device in a roll-out. `place` is drawn by lot, so that the first stage is a fair sample. `before` is what a
-- configuration had said.
create table rollout_device (
    bucket smallint not null,
    rollout text not null,
    device text not null,
    place integer not null check (place > 0),
    state text not null check (state in ('waiting', 'told', 'well', 'bad', 'missed', 'leaving', 'back')),
    command text not null default '',
    told_ms bigint not null default 0,
    moved_ms bigint not null default 0,
    why text not null default '',
    before jsonb not null default '{}',
    config_n integer not null default 0,
    primary key (bucket, rollout, device),
    foreign key (bucket, rollout) references rollout (bucket, id),
    foreign key (bucket, device) references device (bucket, id)
) with (fillfactor = 70);

-- Who may follow whom, held equal to core/rollout.py by a test.
create function rollout_step_allowed() returns trigger language plpgsql as $$
begin
    if not (old.state || '>' || new.state = any (array[
        'rolling>paused', 'rolling>turning_back', 'rolling>done', 'paused>rolling', 'paused>turning_back',
        'turning_back>turned_back'
    ])) then
        raise exception '% is never followed by %', old.state, new.state using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger rollout_step before update on rollout for each row
    when (old.state is distinct from new.state) execute function rollout_step_allowed();

create function rollout_device_step_allowed() returns trigger language plpgsql as $$
begin
    if not (old.state || '>' || new.state = any (array[
        'waiting>told', 'waiting>back', 'told>well', 'told>bad', 'told>missed', 'told>leaving', 'told>back',
        'well>bad', 'well>leaving', 'bad>well', 'bad>leaving', 'bad>back', 'missed>back', 'leaving>back',
        'leaving>missed'
    ])) then
        raise exception '% is never followed by %', old.state, new.state using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger rollout_device_step before update on rollout_device for each row
    when (old.state is distinct from new.state) execute function rollout_device_step_allowed();
