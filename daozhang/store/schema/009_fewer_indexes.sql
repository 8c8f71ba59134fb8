-- Every index is paid for by each payment, twice: when it begins and when it ends.

-- The events of one subject are asked for by its whole name, never in order: a hash takes a third of the room.
drop index event_of_subject;
create index event_of_subject on event using hash (subject);

-- The attempts at one sale: the one that is open or paid is found by the sale lock, the others are few.
drop index payment_of_sale;
create index payment_of_sale on payment (bucket, merchant, merchant_order_no, id desc)
    where state in ('not_paid', 'closed', 'reversed', 'refunded', 'surplus');
