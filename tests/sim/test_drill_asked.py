"""Queries before, during and after a fault, beside those of a poller that never slows down."""

from daozhang.sim.drill_asked import Open, in_words, polling


def test_queries_are_told_by_phase_beside_what_would_have_been_asked() -> None:
    opens = [Open(1, 2, 5), Open(12, 43, 5), Open(20, 26, 5), Open(70, 81, 5)]
    before, during, after = polling(opens, [3, 17, 30, 45, 72, 200], from_s=10, until_s=60, end_s=90)
    assert (before["dark"], before["queries"], before["unthrottled"], before["per_payment"]) == (0, 1, 0, None)
    assert (during["dark"], during["queries"], during["unthrottled"]) == (2, 3, 7)
    assert (during["per_payment"], during["unthrottled_per_payment"], during["per_minute"], during["unthrottled_per_minute"]) == (1.5, 3.5, 3.6, 8.4)
    assert (after["dark"], after["queries"], after["unthrottled"], after["per_minute"]) == (1, 1, 2, 2.0)


def test_a_row_in_words_leaves_out_what_would_be_divided_by_nothing() -> None:
    before, during, after = polling([Open(12, 43, 5)], [3, 17, 30], from_s=10, until_s=60, end_s=60)
    assert in_words("alipay", before) == ("alipay 故障前:无信息 0 笔,查询 1 次(不减速会问 0 次),每分钟 6 次(0)",
                                      "alipay, before: 0 dark payments, 1 queries (unthrottled 0), a minute 6 (0)")  # fmt: skip
    assert in_words("alipay", during) == ("alipay 故障中:无信息 1 笔,查询 2 次(不减速会问 6 次),每笔 2 次(6),每分钟 2.4 次(7.2)",
                                      "alipay, during: 1 dark payments, 2 queries (unthrottled 6), for each 2 (6), a minute 2.4 (7.2)")  # fmt: skip
    assert in_words("alipay", after)[0] == "alipay 恢复后:无信息 0 笔,查询 0 次(不减速会问 0 次)"
