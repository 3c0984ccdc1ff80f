"""Types of Arrow that Parquet or the engine lacks, as the nearest type that loses nothing."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from offtake.errors import LakeError

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_PRECISION = 38  # of the engine's decimal numbers


def readable_type(name: str, field: pa.Field) -> pa.DataType:
    """Return the type in which a column is staged. Raises LakeError, which names the input, if there is none."""
    target = _target(field.type)
    if target is None:
        raise LakeError(
            f"{name}: column {field.name}: the type {field.type} cannot be read. Convert the column to a string, or "
            "leave it out."
        )
    return target


def _target(given: pa.DataType) -> pa.DataType | None:
    """Return the staged type; None if there is none."""
    import pyarrow as pa
    from pyarrow import types

    if isinstance(given, pa.UuidType):
        return given
    if isinstance(given, pa.BaseExtensionType):
        return _target(given.storage_type)
    if types.is_dictionary(given) or types.is_run_end_encoded(given):
        return _target(given.value_type)
    if types.is_union(given):
        return None
    if types.is_list(given) or types.is_large_list(given) or types.is_fixed_size_list(given) or _is_list_view(given):
        item = _target(given.value_type)
        return None if item is None else pa.list_(item)
    if types.is_struct(given):
        members = [(given.field(n).name, _target(given.field(n).type)) for n in range(given.num_fields)]
        return None if any(member is None for _, member in members) else pa.struct(members)
    return _scalar(given)


def _is_list_view(given: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_list_view(given) or types.is_large_list_view(given))


def _scalar(given: pa.DataType) -> pa.DataType:
    import pyarrow as pa
    from pyarrow import types

    if types.is_large_string(given) or types.is_string_view(given):
        return pa.string()
    if types.is_large_binary(given) or types.is_binary_view(given) or types.is_fixed_size_binary(given):
        return pa.binary()
    if types.is_float16(given):
        return pa.float32()
    if types.is_decimal(given):
        return pa.decimal128(given.precision, given.scale) if given.precision <= _MAX_PRECISION else pa.string()
    if types.is_date64(given):
        return pa.date32()
    if types.is_timestamp(given) and given.unit in {"s", "ms"}:
        return pa.timestamp("us", given.tz)
    if types.is_time(given):
        return pa.time64("us")
    if types.is_duration(given) or types.is_interval(given):
        return pa.string()
    return given


def readable(name: str, batch: pa.RecordBatch, target: pa.Schema) -> pa.RecordBatch:
    """Return a batch with the types of ``target``, column by column. Raises LakeError for a value that does not fit."""
    import pyarrow as pa

    try:
        arrays = [_converted(column, field.type) for column, field in zip(batch.columns, target, strict=True)]
    except pa.ArrowException as error:
        raise LakeError(f"{name}: a value cannot be read: {str(error).splitlines()[0]}") from error
    return pa.RecordBatch.from_arrays(arrays, schema=target)


def _converted(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    import pyarrow as pa
    from pyarrow import types

    if column.type == wanted:
        return column
    if isinstance(column, pa.ExtensionArray):
        return _converted(column.storage, wanted)
    if types.is_dictionary(column.type):
        return _converted(column.dictionary, wanted).take(column.indices)
    if types.is_run_end_encoded(column.type):
        return _converted(pa.compute.run_end_decode(column), wanted)
    if _is_list_view(column.type):
        return _listed(column, wanted)
    if types.is_duration(column.type):
        return pa.array([_iso_duration(value, column.type.unit) for value in column.cast(pa.int64()).to_pylist()])
    if types.is_interval(column.type):
        return pa.array([_iso_interval(value) for value in column.to_pylist()], pa.string())
    if types.is_time(column.type) or types.is_date64(column.type):
        return column.cast(wanted, safe=False)  # the engine has no smaller unit
    return column.cast(wanted)


def _listed(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Return lists whose items lie one after the other; pyarrow 26 makes an invalid array of a cast."""
    import pyarrow as pa
    from pyarrow import compute

    lengths = compute.fill_null(compute.list_value_length(column), 0).to_pylist()
    offsets = pa.array(accumulate(lengths, initial=0), pa.int32())
    items = _converted(column.flatten(), wanted.value_type)
    return pa.ListArray.from_arrays(offsets, items, mask=column.is_null())


_PER_SECOND = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def _iso_duration(value: int | None, unit: str) -> str | None:
    """Return ``PT90.5S`` (ISO 8601), exactly."""
    if value is None:
        return None
    digits = _PER_SECOND[unit]
    seconds, fraction = divmod(abs(value), 10**digits)
    decimals = f".{fraction:0{digits}}".rstrip("0") if fraction else ""
    return f"{'-' if value < 0 else ''}PT{seconds}{decimals}S"


def _iso_interval(value: object) -> str | None:
    """Return ``P1M2DT3S`` (ISO 8601) for months, days and nanoseconds."""
    if value is None:
        return None
    months, days, nanoseconds = (int(part) for part in value)  # type: ignore[attr-defined]
    return f"P{months}M{days}D{(_iso_duration(nanoseconds, 'ns') or '').removeprefix('P')}"
