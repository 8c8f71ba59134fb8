-- Facts of devices are kept for some months: the old ones are found by their time. They are written in its order.
create index device_fact_by_time on device_fact using brin (at_ms) with (pages_per_range = 32, autosummarize = on);

-- Who speaks for all tills of a shop.
create index device_of_shop on device (bucket, shop)
    where speaks and standing = 'active' and desired -> 'whole_store' = 'true'::jsonb;
