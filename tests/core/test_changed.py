"""Records that are changed field by field in the hot path: the same as the standard way, and misspelling is loud."""

import dataclasses

import pytest

from daozhang.core.changed import changed
from daozhang.core.evidence import Evidence
from daozhang.core.must import Broken
from daozhang.core.payment import Method, Payment, State
from daozhang.core.refund import Refund

_PAYMENT = Payment("pay_1", 1, "m", "s", "t", "o", 5, "CNY", Method.PAY_BY_CODE, "alipay", "a", False, "x", "y", {}, 1)


def test_the_same_as_the_standard_way():
    fast = changed(_PAYMENT, state=State.SENT, sends=1)
    assert fast == dataclasses.replace(_PAYMENT, state=State.SENT, sends=1)
    assert fast is not _PAYMENT
    assert _PAYMENT.state is State.CREATED


def test_a_changed_record_is_as_frozen_as_before():
    with pytest.raises(dataclasses.FrozenInstanceError):
        changed(_PAYMENT, sends=1).sends = 2


def test_a_field_that_is_not_there_is_refused():
    with pytest.raises(Broken):
        changed(_PAYMENT, stat=State.SENT)


@pytest.mark.parametrize("kind", [Payment, Refund, Evidence])
def test_what_is_changed_this_way_has_no_check_to_miss(kind):
    assert not hasattr(kind, "__post_init__")
    assert not hasattr(kind, "__slots__")
