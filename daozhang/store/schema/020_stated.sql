-- What was told about one thing of a merchant: its settlement account, the code plate of a till. The latest word holds.
create table stated (
    bucket smallint not null,
    merchant text not null,
    subject text not null check (length(subject) between 1 and 64),
    facts jsonb not null,
    at_ms bigint not null,
    by text not null,
    primary key (bucket, merchant, subject)
);

-- Versions of our own software, each with the moment at which it was at work first. Few rows, so they are in no bucket.
create table release (
    version text primary key check (length(version) between 1 and 64),
    at_ms bigint not null,
    by text not null,
    says jsonb not null
);
create index release_by_time on release (at_ms);
