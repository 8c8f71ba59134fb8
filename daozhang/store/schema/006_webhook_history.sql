-- A range of events is sent again by its time, and old attempts are swept by their age. Both tables grow in the order of
-- time, so that a few bytes for each stretch of pages are enough: what is written pays next to nothing for them.
create index event_by_time on event using brin (at_ms);
create index webhook_attempt_by_time on webhook_attempt using brin (at_ms);
