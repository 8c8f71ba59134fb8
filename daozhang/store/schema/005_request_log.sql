-- In which language the caller was answered.
alter table request_log add column language text not null default '';
-- Lines beyond the most that are kept are found by their number.
create index request_log_by_number on request_log using brin (no);
-- Whoever looks for what was refused finds it among millions that were not.
create index request_log_refused on request_log (bucket, merchant, no) where status >= 400;
