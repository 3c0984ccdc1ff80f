"""SQL of telephone numbers in E.164, by the numbering plans of the library phonenumbers.

A number that begins with ``+`` or the country's international prefix has its country code; any other one belongs to the
country of the mapping and must be possible there. Blanks, brackets, dots, hyphens and slashes are no part of a number.
"""

from __future__ import annotations

from offtake.lake.ingest.mapping.layers import Layers, Term
from offtake.lake.ingest.parsing import ParseExpressions
from offtake.sql_text import quote_literal

_SEPARATORS = "[ \u00a0\u202f()./\u2010\u2011-]"
_E164 = r"[1-9][0-9]{6,14}"


def countries() -> frozenset[str]:
    """Return the countries that have a numbering plan (ISO 3166). The library is imported only if it is needed."""
    from phonenumbers import SUPPORTED_REGIONS

    return frozenset(SUPPORTED_REGIONS)


def parse_phone(layers: Layers, text: Term, country: str) -> ParseExpressions:
    """Return the expressions for a telephone number; ``country`` is one of ``countries()``."""
    from phonenumbers import PhoneMetadata

    plan = PhoneMetadata.metadata_for_region(country)
    if plan is None or plan.general_desc is None:
        raise ValueError(f"{country} has no numbering plan")
    digits = layers.let(f"regexp_replace({text}, {quote_literal(_SEPARATORS)}, '', 'g')", text)
    dialled = quote_literal(f"^(?:\\+|{plan.international_prefix or '00'})({_E164})$")
    international = layers.let(f"nullif(regexp_extract({digits}, {dialled}, 1), '')", digits)
    national = plan.general_desc.national_number_pattern
    trunk = f"(?:{plan.national_prefix})?" if plan.national_prefix else ""
    shape = quote_literal(f"^{trunk}({national})$")
    local = layers.let(f"nullif(regexp_extract({digits}, {shape}, 1), '')", digits)
    is_national = f"regexp_full_match({digits}, '[0-9]+')"
    number = (
        f"CASE WHEN {international} IS NOT NULL THEN '+' || {international} "
        f"WHEN {is_national} AND {local} IS NOT NULL THEN '+{plan.country_code}' || {local} END"
    )
    value = layers.let(number, international, local)
    fault = quote_literal(f"is not a telephone number, neither with a country code nor of {country}")
    return ParseExpressions(source=text.sql, value=value.sql, reason=f"CASE WHEN {value} IS NULL THEN {fault} END")
