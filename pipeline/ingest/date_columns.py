"""Makes dates of a column of texts, if they are some."""

from dataclasses import replace
from typing import Final

import numpy as np

from pipeline.core.table_profile import ColumnReport
from pipeline.ingest import date_reading
from pipeline.ingest.columns import DateColumn
from pipeline.ingest.untyped import Found, UntypedColumn

DATE_SHARE: Final = 0.95  # of the present values


def as_date(untyped: UntypedColumn) -> Found | None:
    """Return the column as dates if most of its texts are some, and the others words that mean missing."""
    texts = untyped.texts
    if not texts or (untyped.is_open and date_reading.are_no_dates(texts)):
        return None
    order, doubt = date_reading.decide(untyped.name, texts, untyped.options)
    reading = replace(untyped.words, date_order=order)
    if untyped.is_open and not date_reading.may_be_dates(texts, reading):
        return None
    moments, unread = date_reading.parse(texts, reading)
    is_date = ~np.isnat(moments)
    n_dates, n_unread = untyped.n_rows(is_date), untyped.n_rows(unread)
    is_mostly = n_dates >= DATE_SHARE * (n_dates + n_unread) and 2 * n_dates >= int(untyped.counts.sum())
    if not n_dates:
        return None
    if untyped.is_open and not is_mostly and not untyped.have_tokens(unread, n_dates, int(is_date.sum())):
        return None
    reading = untyped.with_words_for_missing(reading, unread)
    odd = untyped.say_unread(unread, "value that is no date", "values that are no dates")
    if doubt:
        untyped.warnings.append(f"Column {untyped.name!r}: {doubt}.")
    by_row = untyped.by_row(moments, np.datetime64("NaT", "s"))
    column = DateColumn(untyped.name, by_row, untyped.hashes(~np.isnat(by_row)), reading)
    remarks = {"dmy": ["day before month"], "mdy": ["month before day"]}.get(order, [])
    return column, ColumnReport(name=untyped.name, kind="date", reading=reading, remarks=remarks, unread=odd)
