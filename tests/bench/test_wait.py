"""Waiting returns what it waited for, or says what did not come."""

import asyncio
from collections.abc import Iterator

import pytest

from bench.wait import until, until_async


def test_the_first_true_value_is_returned_when_others_come_before() -> None:
    values: Iterator[str | None] = iter([None, "", "first", "second"])
    assert until(lambda: next(values), interval_s=0, what="a value") == "first"


def test_what_did_not_come_and_the_last_value_are_named_when_time_is_over() -> None:
    with pytest.raises(AssertionError, match=r"a value: not within 0 s; last: \[\]"):
        until(list, within_s=0, what="a value")


def test_an_error_counts_as_not_yet_only_when_its_type_is_named() -> None:
    answers = iter(["x", "7"])
    assert until(lambda: int(next(answers)), interval_s=0, what="a number", not_yet=(ValueError,)) == 7
    with pytest.raises(ValueError, match="'y'"):
        until(lambda: int("y"), what="a number", not_yet=(OSError,))
    with pytest.raises(AssertionError, match="a number: not within 0 s; last: ValueError"):
        until(lambda: int("y"), within_s=0, what="a number", not_yet=(ValueError,))


def test_other_tasks_run_when_one_waits() -> None:
    async def main() -> bool:
        event = asyncio.Event()
        setting = asyncio.create_task(asyncio.to_thread(lambda: None))
        setting.add_done_callback(lambda _: event.set())
        return await until_async(event.is_set, what="the event is set")

    assert asyncio.run(main())
