"""How notes below a table begin."""

import re
from typing import Final

NOTE: Final = re.compile(
    r"(?:\*|†|‡|note|notes|source|sources|footnote|quelle|anmerkung|hinweis|fuente|nota|stand|as of|copyright|©|\(c\)"
    r"|last updated?|generated|exported|extracted|\[\d+\]|\d{1,2}\)|\(\d+ rows?\)|\d+ rows? (?:selected|returned|affected))(?!\w).*"
    r"|_{3,}|-{3,}|={3,}",
    re.IGNORECASE | re.DOTALL,
)
