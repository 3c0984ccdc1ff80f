"""Names of files in which a person is found."""

from __future__ import annotations

import pytest

from offtake.model.data_subject import DataSubject

JANE = DataSubject(
    emails=frozenset({"jane@example.com"}), ids={"customer": frozenset({"cust-1042", "2025", "12345678"})}
)


@pytest.mark.parametrize(
    ("name", "is_hers"),
    [
        ("jane@example.com", True),
        ("jane@example.com.csv", True),
        ("in/export_jane@example.com.csv", True),
        ("export-Jane@Example.com.csv.gz", True),
        ("cust-1042-2026.csv", True),
        ("export-cust-1042.csv", True),
        ("calls_12345678_b.ndjson", True),
        ("jane@example.com.org.csv", False),  # another domain
        ("mary-jane@example.company.csv", False),
        ("ajane@example.com.csv", False),
        ("cust-10421.csv", False),
        ("calls_2025_07.csv", False),  # a short number is a date or a counter
    ],
)
def test_a_name_of_a_file_is_the_persons_if_it_has_an_address_or_id(name: str, is_hers: bool) -> None:
    assert JANE.is_in_name(name) is is_hers
