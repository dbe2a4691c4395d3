"""The environment that children are given: variables of known names only, so that no secret comes along.

A list of what is kept, not of what is removed: a secret of another program may have any name.
"""

import os
from typing import Final

# Which libraries a program loads, and how these work.
LIBRARIES: Final = frozenset(
    {
        *("PYTHONPATH", "PYTHONHOME", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
        *("PYTHONHASHSEED", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONWARNINGS", "PYTHONFAULTHANDLER"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "SYSTEMROOT"),
        *("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"),
        *("MALLOC_ARENA_MAX", "ARROW_DEFAULT_MEMORY_POOL", "ORT_DISABLE_TELEMETRY"),
    }
)
# What a program needs to start, find its files and its libraries, and know language, time zone and terminal.
BASIC: Final = LIBRARIES | {
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "TMPDIR", "TZ", "LANG", "LANGUAGE"),
    *("LC_ALL", "LC_CTYPE", "LC_COLLATE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME"),
    *("TERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"),
    *("VIRTUAL_ENV", "MPLCONFIGDIR", "XDG_CACHE_HOME"),
}
# For a child that talks to another machine. The address of a proxy may hold a password.
NETWORK: Final = frozenset(
    {
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    }
)


def clean(*groups: frozenset[str]) -> dict[str, str]:
    """Return the variables of this process that are in `BASIC` or in one of the groups of names."""
    names = BASIC.union(*groups)
    return {name: value for name, value in os.environ.items() if name in names}


def restrict() -> None:
    """Drop all variables but the basic ones from this process, for every child from now on, whoever starts it."""
    for name in os.environ.keys() - BASIC:
        del os.environ[name]
