-- A static code plate is a way to pay of its own: no till order, the payer's own phone asks.
alter table payment drop constraint payment_method_check;
alter table payment add constraint payment_method_check check (method in ('pay_by_code', 'pay_by_qr', 'plate'));
