"""The inspection of a container, read without an engine."""

from app.panel.services.docker.inspection import parse_log


def test_a_line_stays_one_line_when_it_holds_what_elsewhere_ends_lines() -> None:
    """A service may write what a user sent: none of it may be lost, or taken for a time of the engine's."""
    text = (
        "2026-01-02T03:04:05.5Z 10%\r20%\r2024 of 2024\n"
        "2026-01-02T03:04:06.5Z a\u20282024 b\x0c9999-99 c\x85d\n"
        "2026-01-02T03:04:07.5Z \n"
        "9999 is not a time\n"
    )
    chunk = parse_log(text, 0)
    assert chunk.lines == ("10%\r20%\r2024 of 2024", "a\u20282024 b\x0c9999-99 c\x85d", "")
    assert parse_log(text, chunk.after).lines == ()
