"""Prose, encyclopedic, technical and dialog corpora, each with whole books, countries or documents held out.

    python scripts/render_general.py DATA [--manifests data-manifests]

DATA is the folder with text/*.parquet. Nothing is random: what is held out is named below or follows from a
digest of the document's name, so the same input gives the same bytes.
"""

import argparse
import re
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq

from corpus_writer import draw, write_corpus

HELDOUT_BOOKS = {
    "h-g-wells_the-time-machine",
    "lewis-carroll_alices-adventures-in-wonderland_john-tenniel",
    "mark-twain_the-adventures-of-huckleberry-finn",
    "mary-shelley_frankenstein",
    "arthur-conan-doyle_the-adventures-of-sherlock-holmes",
    "robert-louis-stevenson_treasure-island",
}
N_HELDOUT_COUNTRIES = 20
# Documents held out of each source, in order of the digest of their name.
N_HELDOUT_DOCUMENTS = {"python/peps": 10, "rust-lang/rfcs": 10, "rust-lang/book": 6, "rust-lang/rust-by-example": 6}
SHORTEST_HELDOUT_DOCUMENT = 2_000

# A held-out passage fits into a row of 512 tokens.
PASSAGE_BYTES = (700, 1400)
# Held-out passages that share this many words in a row with a training document are dropped.
OVERLAP_WORDS = 13

REVISIONS = {
    "factbook/factbook.json": "8662a8b17a",
    "google-research-datasets/Taskmaster": "d92cb6af30",
    "python/peps": "ba4deeb796",
    "rust-lang/book": "917544888a",
    "rust-lang/rfcs": "354518a8c9",
    "rust-lang/rust-by-example": "898f0ac147",
    "standardebooks/adam-smith_the-wealth-of-nations": "2b5c1ea5d6",
    "standardebooks/arthur-conan-doyle_the-adventures-of-sherlock-holmes": "23b2b6e0aa",
    "standardebooks/bram-stoker_dracula": "e9e81aadf8",
    "standardebooks/charles-darwin_the-origin-of-species": "7c13c26dba",
    "standardebooks/charles-darwin_the-voyage-of-the-beagle": "4ad3b795ab",
    "standardebooks/charles-dickens_great-expectations": "d386bda66e",
    "standardebooks/h-g-wells_the-time-machine": "9fd22d612e",
    "standardebooks/herman-melville_moby-dick": "f6a2550031",
    "standardebooks/jacob-grimm_wilhelm-grimm_household-tales_margaret-hunt": "4950ef5208",
    "standardebooks/jane-austen_pride-and-prejudice": "8ec1ca8060",
    "standardebooks/lewis-carroll_alices-adventures-in-wonderland_john-tenniel": "a4a06a86f3",
    "standardebooks/mark-twain_the-adventures-of-huckleberry-finn": "7ff397180b",
    "standardebooks/mary-shelley_frankenstein": "0e54fe85d3",
    "standardebooks/plato_dialogues_benjamin-jowett": "3a4f5b043d",
    "standardebooks/robert-louis-stevenson_treasure-island": "305f56fe9a",
}
LICENCES = {
    "CC0-1.0 / US public domain": "CC0-1.0",
    "public domain / CC0-1.0 (stated in each PEP)": "CC0-1.0",
}


# What the manifests say, and how the rows are cut: few enough row groups to compress well, several to work in parallel.
FACTS = {
    "prose": {
        "licence": "CC0-1.0",
        "source": "github.com/standardebooks, src/epub/text/*.xhtml; repository and revision of each row in the column source",
        "attribution": "Standard Ebooks",
        "rows_per_group": 140,
        "passages_per_cluster": 10,
        "separator": "\n\n",
    },
    "encyclopedic": {
        "licence": "CC0-1.0",
        "source": "github.com/factbook/factbook.json @8662a8b17a",
        "attribution": "The World Factbook, Central Intelligence Agency",
        "rows_per_group": 700,
        "passages_per_cluster": 3,
        "separator": "\n",
    },
    "technical": {
        "licence": "CC0-1.0 AND (MIT OR Apache-2.0)",
        "source": "github.com/python/peps, rust-lang/rfcs, rust-lang/book, rust-lang/rust-by-example; revision of each row in the column source",
        "attribution": "The Rust Project Developers; the authors of the Python Enhancement Proposals",
        "rows_per_group": 210,
        "passages_per_cluster": 2,
        "separator": "\n\n",
    },
    "dialog": {
        "licence": "CC-BY-4.0",
        "source": "github.com/google-research-datasets/Taskmaster, TM-4-2024/data @d92cb6af30",
        "attribution": "Taskmaster-4, Google LLC",
        "rows_per_group": 2_000,
        "passages_per_cluster": 0,
        "separator": "\n",
    },
}


def read(data, name, cluster):
    rows = []
    for row in pq.read_table(data / "text" / f"{name}.parquet").to_pylist():
        if row["source"] not in REVISIONS:
            continue
        rows.append({
            "id": row["id"],
            "text": clean(row["text"]),
            "cluster": cluster(row),
            "source": f"{row['source']}@{REVISIONS[row['source']]}",
            "licence": LICENCES.get(row["license"], row["license"]),
        })
    return rows


def clean(text):
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ").replace("\u200a", " ")
    text = re.sub("[\u200b\u2060\ufeff]", "", text)
    # Nobody needs a model that recites people's addresses. Without brackets it may be a matrix product.
    return re.sub(r" *[<(][\w.+-]+(?:@| at )[\w.-]+[>)]", "", text)


def words(text):
    return re.findall(r"\w+", text.lower())


def runs(text):
    found = words(text)
    return {" ".join(found[i : i + OVERLAP_WORDS]) for i in range(len(found) - OVERLAP_WORDS + 1)}


def passages(document, separator):
    """Consecutive paragraphs, joined until they are long enough; what is left over or too long is left out."""
    low, high = PASSAGE_BYTES
    joined = ""
    for paragraph in document["text"].split(separator):
        joined = f"{joined}{separator}{paragraph}" if joined else paragraph
        size = len(joined.encode())
        if size > high:
            joined = ""
        elif size >= low:
            yield joined
            joined = ""


def heldout_rows(documents, training, n_per_cluster, separator):
    """At most `n_per_cluster` passages of each cluster, chosen by digest, none of which training has."""
    clusters = defaultdict(list)
    for document in documents:
        for i, text in enumerate(passages(document, separator)):
            row = {**document, "id": f"{document['id']}#passage-{i}", "text": text}
            clusters[document["cluster"]].append((draw("passage", row["id"]), row))
    # Only runs that a candidate has can clash, so training is read once against those.
    wanted = defaultdict(set)
    for candidates in clusters.values():
        for _, row in candidates:
            for run in runs(row["text"]):
                wanted[run].add(row["id"])
    overlapping = set()
    for row in training:
        for run in runs(row["text"]):
            overlapping |= wanted.get(run, set())
    rows = []
    for cluster in sorted(clusters):
        candidates = [row for _, row in sorted(clusters[cluster], key=lambda pair: pair[0]) if row["id"] not in overlapping]
        rows += sorted(candidates[:n_per_cluster], key=lambda row: row["id"])
    print(f"  {len(overlapping)} of {sum(map(len, clusters.values()))} candidate passages overlap with training")
    return rows


def is_country(documents):
    """Oceans, the world and uninhabited islands have few or short sections."""
    return len(documents) >= 10 and sum(len(document["text"]) for document in documents) >= 20_000


def first_by_digest(kind, names, n):
    return set(sorted(names, key=lambda name: draw(kind, name))[:n])


def heldout_countries(encyclopedic):
    sections = defaultdict(list)
    for row in encyclopedic:
        sections[row["cluster"]].append(row)
    return first_by_digest("country", (c for c in sections if is_country(sections[c])), N_HELDOUT_COUNTRIES)


def heldout_documents(technical):
    heldout = set()
    for source, n in N_HELDOUT_DOCUMENTS.items():
        names = [row["id"] for row in technical
                 if row["source"].startswith(f"{source}@") and len(row["text"]) >= SHORTEST_HELDOUT_DOCUMENT]
        heldout |= first_by_digest("document", names, n)
    return heldout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--manifests", type=Path, default=Path("data-manifests"))
    arguments = parser.parse_args()

    prose = read(arguments.data, "prose_books", lambda row: row["id"].split("/")[0])
    encyclopedic = read(arguments.data, "encyclopedic_factbook", lambda row: row["id"].split("#")[0])
    technical = read(arguments.data, "technical_docs", lambda row: row["id"])
    # The other half is share-alike.
    dialog = [row for row in read(arguments.data, "dialog", lambda row: row["id"].split("/")[0]) if row["licence"] == "CC-BY-4.0"]

    # What is held out of one corpus must not come back through another.
    heldout = {
        "prose": HELDOUT_BOOKS,
        "encyclopedic": heldout_countries(encyclopedic),
        "technical": heldout_documents(technical),
        "dialog": set(),
    }
    corpora = {"prose": prose, "encyclopedic": encyclopedic, "technical": technical, "dialog": dialog}
    for category, names in heldout.items():
        assert names <= {row["cluster"] for row in corpora[category]}, f"{category}: {names} not found"
    training = [row for category, rows in corpora.items() for row in rows if row["cluster"] not in heldout[category]]

    for category, rows in corpora.items():
        facts = {"category": category, "columns": {"id": "id", "text": "text", "cluster": "cluster"}, **FACTS[category]}
        rows_per_group, passages_per_cluster = facts.pop("rows_per_group"), facts.pop("passages_per_cluster")
        separator = facts.pop("separator")
        write_corpus(arguments.manifests, id=category, split="train", rows_per_group=rows_per_group, **facts,
                     rows=[row for row in rows if row["cluster"] not in heldout[category]])
        if heldout[category]:
            mine = [row for row in rows if row["cluster"] in heldout[category]]
            write_corpus(arguments.manifests, id=f"{category}-heldout", split="heldout", rows_per_group=rows_per_group,
                         **facts, rows=heldout_rows(mine, training, passages_per_cluster, separator))


if __name__ == "__main__":
    main()
