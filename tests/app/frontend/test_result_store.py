"""Results are few and short-lived."""

from app.frontend.result_store import MAX_RESULTS, ResultStore


def test_the_oldest_result_goes_first_when_there_are_many() -> None:
    store = ResultStore(lambda: 0.0)
    tokens = [store.add(ResultStore.new_file(), "x.csv").token for _ in range(MAX_RESULTS + 1)]
    assert store.get(tokens[0]) is None
    assert all(store.get(token) for token in tokens[1:])
    store.close()


def test_a_result_goes_when_its_time_is_over() -> None:
    now_s = [0.0]
    store = ResultStore(lambda: now_s[0])
    token = store.add(ResultStore.new_file(), "x.csv").token
    now_s[0] = 1799.0
    assert store.get(token)
    now_s[0] = 1801.0
    assert store.get(token) is None
