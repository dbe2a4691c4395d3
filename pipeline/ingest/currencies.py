"""How currencies are written: symbols, codes and words, in lower case."""

from collections.abc import Iterable
from typing import Final

_SYMBOLS: Final = (
    "$ € £ ¥ ₹ ₽ ₩ ₺ ₴ ₫ ₦ ฿ ¢ ₱ ₪ ₿ ₲ ₡ ₵ us$ a$ au$ c$ ca$ can$ r$ hk$ nt$ s$ nz$ mx$ clp$ cop$ kr kr. zł kč ft ft. rm rp rp. tk"
    " ksh bs bs. s/ s/. lei лв rs rs. euro euros dollars dollar fr. sfr rmb"
)
_CODES: Final = (
    "aed ars aud bdt bgn bhd brl byn cad chf clp cny cop crc czk dkk dop dzd egp etb eur gbp gel ghs gtq hkd huf idr ils inr iqd"
    " isk jod jpy kes krw kwd kzt lbp lkr mad mdl mxn myr ngn nok npr nzd omr pen php pkr pln pyg qar ron rsd rub sar sek sgd thb"
    " tnd try twd tzs uah ugx usd uyu uzs ves vnd xaf xof yer zar zmw"
)
CURRENCIES: Final = frozenset({*_SYMBOLS.split(), *_CODES.split()})
# Codes that are seldom anything else; others, such as RM and PHP, may name rooms and versions.
_SURE: Final = "usd eur euro gbp chf jpy cny inr rs rs. sek nok dkk pln czk huf brl cad aud nzd kr kr."
SURE_CODES: Final = frozenset(_SURE.split())
_ALIASES: Final = (
    dict.fromkeys(("us$", "usd", "dollar", "dollars"), "$")
    | dict.fromkeys(("eur", "euro", "euros"), "€")
    | {"gbp": "£", "inr": "₹", "rs": "₹", "rs.": "₹", "jpy": "¥", "kr.": "kr", "chf": "fr.", "sfr": "fr.", "r$": "brl"}
)
INDIAN: Final = frozenset({"₹", "inr", "rs", "rs."})


def n_currencies(names: Iterable[str]) -> int:
    """Return how many different currencies are meant: $, US$ and USD are one."""
    return len({_ALIASES.get(name, name) for name in names})
