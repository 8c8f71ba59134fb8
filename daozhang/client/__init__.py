"""A client for programs that take payments with daozhang.

    from daozhang.client import Client
    shop = Client("dz_test_sk_…", "http://127.0.0.1:7800")
    payment = shop.pay(1250, order="A-1", till="till_…", code="28…")
    if payment.verdict == "paid": ...

Each call that moves money carries an Idempotency-Key, made once and kept over all repeats, so that a broken line never
charges twice. What cannot be known yet is *checking*, never an exception: ask `wait_until_proven`.
"""

from daozhang.client.calls import Client
from daozhang.client.problem import ApiProblem, NotReached
from daozhang.client.webhook import BadDelivery, Delivery, verify_webhook

__all__ = ["ApiProblem", "BadDelivery", "Client", "Delivery", "NotReached", "verify_webhook"]
