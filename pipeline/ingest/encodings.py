"""Finds the encoding of a text that is not in UTF-8, and writes it in that."""

import codecs
import re
from pathlib import Path
from typing import Final

from charset_normalizer import from_bytes

from pipeline.ingest.text_problems import EncodingError

_ISO_2022_BYTES: Final = 2**16  # whose start shows it
_ISO_2022: Final = re.compile(rb"\x1b\$[@B]")  # it is ASCII otherwise
_BLOCK_BYTES: Final = 2**20
_SAMPLE_BYTES: Final = 2**18  # of lines that show the encoding
_LINES_OF_BLOCK: Final = 500
SIMILAR_CHAOS: Final = 0.05  # of the charset-normalizer's measure of how little a text makes sense
# Encodings of tables that are not in UTF-8, as charset-normalizer calls them, and as people do; the usual ones first.
_ENCODINGS: Final = {
    "cp1252": "Windows-1252",
    "latin_1": "Latin-1",
    "mac_roman": "Mac Roman",
    "cp932": "Shift-JIS",
    "gb18030": "GB 18030",
    "cp1251": "Windows-1251",
}
_MARKS: Final = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def is_utf8(path: Path) -> bool:
    """Return whether a file is text in UTF-8, or no text at all: that is said where it is read."""
    if _is_iso_2022(path):
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            if block.isascii() and not decoder.getstate()[0]:
                continue
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                return False
    return not decoder.getstate()[0]


def write_as_utf8(path: Path, target: Path, _sheet: str | None) -> str:
    """Write a text of another encoding in UTF-8, and return a note on which one it was. Raises EncodingError."""
    encoding, note = _find_encoding(path)
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    with path.open("rb") as source, target.open("w", encoding="utf-8", newline="") as file:
        try:
            while block := source.read(_BLOCK_BYTES):
                file.write(decoder.decode(block))
            file.write(decoder.decode(b"", final=True))
        except UnicodeDecodeError as error:
            raise EncodingError(path, error) from error
    return note


def _find_encoding(path: Path) -> tuple[str, str]:
    """Return the encoding of a text that is not in UTF-8, and a note that says it with letters that depend on it.

    Raises DataError DATA-04 if there is none in which it makes sense.
    """
    sample = _sample(path)
    for mark, encoding in _MARKS.items():
        if sample.startswith(mark):
            return encoding, "read as UTF-16"
    if _is_iso_2022(path):
        return "iso2022_jp", "read as ISO-2022-JP"
    found = [match for match in from_bytes(sample, cp_isolation=[*_ENCODINGS]) if match.encoding in _ENCODINGS]
    if not found:
        raise EncodingError.unknown(path)
    order = list(_ENCODINGS)
    found.sort(key=lambda match: (round(match.chaos, 2), -round(match.coherence, 1), order.index(match.encoding)))
    best, letters = found[0], _letters(str(found[0]))
    others = [
        f"{_ENCODINGS[match.encoding]} ({_letters(str(match))})"
        for match in found[1:3]
        if match.chaos <= best.chaos + SIMILAR_CHAOS and _letters(str(match)) != letters
    ]
    doubt = f"; it may also be {' or '.join(others)}" if others else ""
    return best.encoding, (
        f"not in UTF-8; read as {_ENCODINGS[best.encoding]}, with {letters}{doubt}. If these are not its letters, save it as "
        "UTF-8"
    )


def _is_iso_2022(path: Path) -> bool:
    with path.open("rb") as file:
        return bool(_ISO_2022.search(file.read(_ISO_2022_BYTES)))


def _sample(path: Path) -> bytes:
    """Return the start of a file with a mark of UTF-16, else lines from all over it that are not plain ASCII."""
    lines: list[bytes] = []
    n_bytes = 0
    with path.open("rb") as file:
        start = file.read(2)
        if start in _MARKS:
            return start
        file.seek(0)
        while n_bytes < _SAMPLE_BYTES and (block := file.read(_BLOCK_BYTES)):
            if not block.isascii():
                found = [line for line in block.split(b"\n") if not line.isascii()]
                lines += found[:_LINES_OF_BLOCK]
                n_bytes += sum(map(len, found[:_LINES_OF_BLOCK]))
    return b"\n".join(lines)[: 2 * _SAMPLE_BYTES]


def _letters(text: str) -> str:
    found = dict.fromkeys(character for character in text if ord(character) > 127)
    return " ".join([*found][:8])
