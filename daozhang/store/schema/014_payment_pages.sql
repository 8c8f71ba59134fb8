-- A payment's step changes columns that indexes read (its state, the channel's number): no room left beside a row makes
-- that cheaper, so none is left. Vacuuming it reads all of its indexes: seldomer, and in smaller bites, so that no payment
-- waits behind it. The hot and small tables keep their own, quicker pace.
alter table payment set (
    fillfactor = 100, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 20000,
    autovacuum_analyze_scale_factor = 0.2, autovacuum_analyze_threshold = 5000, autovacuum_vacuum_cost_delay = 5);
alter table evidence set (autovacuum_vacuum_cost_delay = 5);
alter table event set (autovacuum_vacuum_cost_delay = 5);
alter table transfer set (autovacuum_vacuum_cost_delay = 5);
alter table idempotency set (autovacuum_vacuum_cost_delay = 5);
alter table request_log set (autovacuum_vacuum_cost_delay = 5);
