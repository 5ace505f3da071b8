"""Write one corpus: its Parquet file and, beside it, the manifest that names it."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

# Long repeats (one country's text against another's) are found only inside a page.
PAGE_BYTES = 64 << 20
# Repeated a lot, so a dictionary is smaller than the text.
REPEATED = {"cluster", "source", "licence"}
MESSAGE = pa.struct([pa.field("role", pa.string(), nullable=False), pa.field("content", pa.string(), nullable=False)])
TYPES = {
    "choices": pa.list_(pa.string()),
    "gold": pa.int64(),
    "confounder": pa.float64(),
    "messages": pa.list_(MESSAGE),
    "rejected": pa.list_(MESSAGE),
    "label": pa.bool_(),
}


def draw(*parts):
    """A whole number that depends on `parts` alone: what other scripts would ask a random generator for."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8], "big")


def write_corpus(manifests, *, id, category, licence, source, attribution, split, columns, rows, rows_per_group):
    """`rows` are dicts that all have the same keys and no nulls; `columns` maps a manifest's column noun to a key."""
    assert rows, f"{id}: no rows"
    assert len({row["id"] for row in rows}) == len(rows), f"{id}: ids repeat"
    fields = [pa.field(name, TYPES.get(name, pa.string()), nullable=False) for name in rows[0]]
    table = pa.Table.from_pylist(rows, schema=pa.schema(fields))
    assert all(column.null_count == 0 for column in table.columns), f"{id}: nulls"

    path = Path(manifests) / "corpora" / f"{id}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=22,
        row_group_size=rows_per_group,
        use_dictionary=[name for name in rows[0] if name in REPEATED],
        data_page_size=PAGE_BYTES,
        write_statistics=False,
        store_schema=False,
    )
    data = path.read_bytes()
    lines = [
        "schema = 1",
        f'id = "{id}"',
        f'category = "{category}"',
        f'licence = "{licence}"',
        f'source = "{source}"',
        *([f'attribution = "{attribution}"'] if attribution else []),
        f'split = "{split}"',
        "",
        "[columns]",
        *[f'{noun} = "{name}"' for noun, name in columns.items()],
        "",
        "[[files]]",
        f'path = "corpora/{id}.parquet"',
        f'sha256 = "{hashlib.sha256(data).hexdigest()}"',
        f"rows = {len(rows)}",
        "",
    ]
    (Path(manifests) / f"{id}.toml").write_text("\n".join(lines), encoding="utf-8")
    text = sum(len(str(value).encode()) for row in rows for noun, name in columns.items()
               for value in [row[name]] if noun in {"text", "context", "answer", "choices", "messages"})
    groups = -(-len(rows) // rows_per_group)
    print(f"{id}: {len(rows):,} rows in {groups} row groups, {text:,} bytes of text, {len(data):,} bytes on disk")
