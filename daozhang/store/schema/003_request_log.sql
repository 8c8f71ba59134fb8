-- A key speaks the API's version of the day it was made, until it asks for another.
alter table api_key add column version text not null default '2026-12-01';

-- What was asked of the doors and what was answered, for the merchant's own programmers. No bodies, no query strings.
create table request_log (
    bucket smallint not null,
    merchant text not null,
    no bigint generated always as identity,
    at_ms bigint not null,
    request_id text not null,
    key_id text not null,
    method text not null,
    path text not null,
    status integer not null,
    took_ms integer not null,
    problem text not null,
    primary key (bucket, merchant, no)
);
-- Old lines are swept by their age.
create index request_log_by_time on request_log using brin (at_ms);
