-- An alert that somebody is still to be told: written in the transaction of the incident's step, gone when it was taken. Each
-- addressee is owed only the newest word of each incident. `due_ms` is moved on before a try, so that a process that dies over
-- it is followed by another. Few rows, so they are in no bucket; no secret of an addressee is in them.
create table alert_owed (
    target text not null,
    incident text not null references incident (id),
    alert text not null,
    said jsonb not null,
    tries integer not null check (tries >= 0),
    due_ms bigint not null,
    primary key (target, incident)
);
create index alert_owed_by_due on alert_owed (due_ms);
