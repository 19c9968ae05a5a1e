"""Tables of different kinds under one schema."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from deepcollapse.errors import InvalidInputError

__all__ = ["union"]


def union(tables: Iterable[pa.Table]) -> pa.Table:
    """All rows of all tables, those of equal schema together; a column that a table lacks is null there.

    Columns are in the order in which they first occur, ``run`` first. The schemas of many equal tables are compared
    with each other, and only the different ones are brought together.

    Args:
        tables: each with a column ``run``.

    Raises:
        InvalidInputError: columns of one name and different types.
    """
    kinds: list[tuple[pa.Schema, list[pa.Table]]] = []
    for table in tables:
        kind = next((same for schema, same in kinds if schema.equals(table.schema)), None)
        if kind is None:
            kinds.append((table.schema, kind := []))
        kind.append(table)
    groups = [pa.concat_tables(same) for _, same in kinds]
    schema = _common(groups)
    return pa.concat_tables([schema.empty_table(), *(_under(schema, group) for group in groups)])


def _common(groups: list[pa.Table]) -> pa.Schema:
    """The columns of all of them."""
    fields = {"run": pa.string()}
    for field in (field for group in groups for field in group.schema):
        agreed = _agreed(fields.setdefault(field.name, field.type), field.type)
        if agreed is None:
            found = " and ".join(_examples(groups, field.name))
            raise InvalidInputError(
                f"rows: expected one type of column {field.name!r} in all runs, but found {found}; ask for the runs of "
                "one of these types by their ids, or delete the folder of a wrong run and do it again"
            )
        fields[field.name] = agreed
    return pa.schema(list(fields.items()))


def _examples(groups: list[pa.Table], name: str) -> Iterator[str]:
    """Each type of a column, with a run that has it."""
    known = set()
    for group in (group for group in groups if name in group.column_names):
        kind, rows = group[name].type, group.filter(pc.field(name).is_valid())
        if kind not in known and len(rows):
            known.add(kind)
            yield f"{kind} in run {rows['run'][0]}"


def _agreed(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that both are; a null type is every type."""
    if one.equals(other) or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if pa.types.is_list(one) and pa.types.is_list(other):
        entries = _agreed(one.value_type, other.value_type)
        return None if entries is None else pa.list_(one.value_field.with_type(entries))
    return None


def _under(schema: pa.Schema, table: pa.Table) -> pa.Table:
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
