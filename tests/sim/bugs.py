"""Planted money bugs: (name, file, the right line, the wrong line). Each is put into a copy of the package and must be found."""

R, F, P, J, RF, RFL = (
    "core/resolve.py", "core/refund.py", "flow/pen.py", "flow/janitor.py", "flow/refund.py", "core/ledger.py",
)  # fmt: skip
BUGS: list[tuple[str, str, str, str]] = [
    ("a read time-out means not paid", R, "            return p.to(State.UNKNOWN, send_out=False)\n\n\ndef _learn_query", "            return _decided(p, State.NOT_PAID, m, now)\n\n\ndef _learn_query"),
    ("the first not-found closes", R, "            return _window(changed(p, absent=p.absent + 1), m, now)", "            return _decided(p, State.CLOSED, m, now)"),
    ("an answer that proves nothing closes", R, "        case _:\n            return _window(p, m, now)\n\n\ndef _may", "        case _:\n            return _decided(p, State.CLOSED, m, now)\n\n\ndef _may"),
    ("waiting counts as paid", R, "            return p.to(State.WAITING_PAYER, send_out=False, seen=True)", "            return captured(p, Finding(amount_fen=p.amount_fen), m, now)"),
    ("the window's end closes without undoing", R, "        return p.to(State.REVERSING)\n    return p", "        return _decided(p, State.CLOSED, m, now)\n    return p"),
    ("a closed order is taken for paid", R, "            state = State.REVERSED if p.undone is Undone.PAID else State.CLOSED\n", "            return captured(p, Finding(amount_fen=p.amount_fen), m, now)\n"),
    ("a returned charge is paid", R, "            return _decided(p, State.REVERSED, m, now, seen=True, trade_no=f.trade_no or p.trade_no)", "            return captured(p, Finding(amount_fen=p.amount_fen), m, now)"),
    ("an undone order is always called returned", R, "            return _decided(p, State.REVERSED if charged else State.CLOSED, m, now, seen=True)", "            return _decided(p, State.REVERSED, m, now, seen=True)"),
    ("the captured amount is one fen off", R, "        captured_fen=f.amount_fen,\n", "        captured_fen=p.amount_fen - 1,\n"),
    ("a late success is not told", R, "        late=late,\n", "        late=False,\n"),
    ("the query gap is forgotten", R, "(gaps[p.queries] if counted else m.query_gap_ms)", "(gaps[p.queries] if counted else 100)"),
    ("at once means never (found by the town)", R, "        return max(least, p.asked_ms)  # at once; never 0, which would mean no timer", "        return least"),
    ("not found outranks a charge that was shown (found by the town)", R, "    return not p.capture_seen and (m.undo_tells or not p.seen) and (p.absent > 0 or p.undone is Undone.ABSENT)", "    return True"),
    ("a refused request is sent on and on", R, "            return _decided(changed(p, send_out=False), State.NOT_PAID, m, now, refusal=refusal)", "            return p.to(State.SENT, send_out=False)"),
    ("an end is never looked at again", R, "recheck_ms=now + m.aftercare_ms[0] if look else 0", "recheck_ms=0"),
    ("a captured order is told as not paid", R, "        State.PAID,\n        m,\n        now,\n        late=late", "        State.NOT_PAID,\n        m,\n        now,\n        late=late"),
    ("a refund in doubt is called failed", F, "        case _ if r.state is RefundState.SENT:\n            return r.to(RefundState.UNKNOWN)", "        case _ if r.state is RefundState.SENT:\n            return r.to(RefundState.FAILED, decided_ms=now)"),
    ("a refund in doubt is called done", F, "        case _ if r.state is RefundState.SENT:\n            return r.to(RefundState.UNKNOWN)", "        case _ if r.state is RefundState.SENT:\n            return r.to(RefundState.SUCCEEDED, decided_ms=now)"),
    ("a second refusal ends a refund that was done", F, "            return r.to(RefundState.UNKNOWN, refused_then=max(r.refused_then, 1), failure=failure)", "            return r.to(RefundState.FAILED, decided_ms=now)"),
    ("paid is told twice", P, "        told.append(event(_EVENT[after.state], after, now_ms))", "        told += [event(_EVENT[after.state], after, now_ms)] * 2"),
    ("paid is not told", P, "    elif after.state is not before.state and after.state in _EVENT:", "    elif after.state is not before.state and after.state in _EVENT and after.state is not State.PAID:"),
    ("the amount told is wrong", P, '        "amount": payment.amount_fen,\n        "amount_refunded"', '        "amount": payment.amount_fen + 1,\n        "amount_refunded"'),
    ("paid is told when it is asked", P, "    State.UNKNOWN: \"payment.unknown\",", "    State.UNKNOWN: \"payment.paid\","),
    ("postings are forgotten", P, "            tuple(of_payment(before.state, after)),", "            (),"),
    ("timers of payments are forgotten", P, "        return Change(\n            after,\n            lines,", "        timer_ms = 0\n        return Change(\n            after,\n            lines,"),
    ("the janitor drops what it leased", J, "        for due in claimed:\n", "        for due in claimed[1:]:\n            await self._house.store.release(claimed[0])\n"),
    ("a surplus stays with the shop", J, "        await late.return_surplus(house, payment)\n        return None", "        return None"),
    ("a question is never answered", J, "        await late.answer_by_policy(house, payment)\n        return payment", "        return None"),
    ("a refund is not counted", RF, "    left = changed(left, refunded_fen=payment.refunded_fen + after.amount_fen)", "    left = changed(left, refunded_fen=payment.refunded_fen)"),
    ("a refund under way is not reserved", RF, "    after = changed(payment, refunding_fen=payment.refunding_fen + amount)\n", "    after = payment\n"),
    ("the done refund is not posted", RFL, '        *_transfer("refund_done", "refund_suspense", clearing, after.amount_fen),', ""),
    ("doubt is not released", RFL, '        return _transfer("released", "suspense", in_doubt, amount)', "        return []"),
    ("the capture is posted twice", RFL, '            *_transfer("capture", clearing, in_doubt, after.received_fen),', '            *_transfer("capture", clearing, in_doubt, after.received_fen),\n            *_transfer("capture", clearing, in_doubt, after.received_fen),'),
]  # fmt: skip
# One of each kind for every CI run; all of them in `make prove`.
SOME = ("a read time-out means not paid", "paid is told twice", "at once means never (found by the town)", "doubt is not released")
