"""The rules of erasure in the data model: they name columns that exist and can be blanked, and cover personal ones."""

from __future__ import annotations

import pytest

from offtake.lake.erasure.rules import can_be_blanked
from offtake.lake.tables import Table, tables
from offtake.model.data_subject import EMAIL, PERSON_IDS, PHONE

PERSON = {EMAIL, PHONE, *PERSON_IDS}
IDENTIFIERS = {*PERSON, "conversation", "interaction", "carrier_call"}


@pytest.mark.parametrize("table", tables().values(), ids=lambda table: table.name)
def test_a_rule_names_columns_that_can_be_erased(table: Table) -> None:
    erased = table.erased_columns | table.erased_columns_of_agent
    assert erased | set(table.leads_to) <= table.by_name.keys()
    assert [name for name in erased if not can_be_blanked(table, table.by_name[name])] == []
    for column in table.columns:
        assert set(column.identifies) <= IDENTIFIERS
        assert column.name not in table.leads_to or column.identifies
        if column.personal and not table.erases_row and not set(column.identifies) & PERSON:
            assert column.name in erased, column.name
