-- Every byte that a payment leaves behind is written twice (the log, the table) and kept for years: what stands elsewhere
-- is not stored again.

-- A payment's event keeps, as an array, only what the payment's row does not say for ever (store/thin.py): status, verdict,
-- money and the amount refunded as they were. Everybody reads events through this view, which puts the others back; what
-- was stored whole is shown as it is.
create view event_whole as
select e.bucket, e.seq, e.xact, e.merchant, e.type, e.subject, e.at_ms,
    case jsonb_typeof(e.data) when 'array' then (
        select jsonb_build_object(
            'payment', p.id, 'merchant_order_no', p.merchant_order_no, 'amount', p.amount_fen, 'currency', p.currency,
            'till', p.till, 'channel', p.channel, 'status', e.data -> 0, 'verdict', e.data -> 1, 'money', e.data -> 2,
            'amount_refunded', e.data -> 3)
        from payment p where p.bucket = e.bucket and p.id = e.subject
    ) else e.data end as data
from event e;

-- Lists, newest first: read backwards, because an index that grows at its far end is left full and one that grows at its
-- near end half empty; and by a hash of the long names, whose owners compare the names themselves.
drop index payment_of_merchant;
create index payment_of_merchant on payment (bucket, hashtext(merchant), id);
drop index payment_of_till;
create index payment_of_till on payment (bucket, hashtext(till), id);
