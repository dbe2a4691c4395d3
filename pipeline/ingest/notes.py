"""How notes below a table begin."""

import re
from typing import Final

NOTE: Final = re.compile(
    r"(\*|†|note|notes|source|sources|footnote|quelle|anmerkung|hinweis|fuente|copyright|©)(?!\w).*",
    re.IGNORECASE | re.DOTALL,
)
