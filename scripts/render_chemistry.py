"""Measured properties of molecules as the short notes a chemistry company keeps, with whole molecules held out.

    python scripts/render_chemistry.py DATA [--manifests data-manifests]

DATA is the folder with domain_chem/*.csv. Every choice of words follows from a digest of the record's name, so the
same input gives the same bytes. Writes five corpora: chem-properties (training), and of molecules that no training
record has, chem-heldout (whole notes), chem-solubility (the measured value as the answer) and
chem-solubility-choice (soluble or insoluble).
"""

import argparse
import csv
import re
from collections import Counter, defaultdict
from pathlib import Path

from rdkit import Chem, RDLogger
from rdkit.Chem import Crippen, Descriptors, rdMolDescriptors
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.Chem.Scaffolds import MurckoScaffold

from corpus_writer import draw, write_corpus

LONGEST_SMILES = 150
# Tasks are scored on every evaluation, so theirs are short.
LONGEST_TASK_SMILES = 40
LONGEST_NAME = 80
# One molecule in so many is held out.
HELDOUT_ONE_IN = 10
# log10 of mol/L: from 1 mM upwards the notes say "soluble".
SOLUBLE_FROM = -3.0
# Choice items keep this distance from the boundary: the same compound measured twice differs by about that much.
MARGIN = 0.5

N_HELDOUT_NOTES = 100
N_ANSWERS = 160
N_CHOICES = 240

SOURCES = {
    "aqsoldb": ("mcsorkun/AqSolDB@8e02b548fd", "CC0-1.0"),
    "esol": ("deepchem/deepchem@fbe3b911a9", "MIT"),
    "bbbp": ("aspuru-guzik-group/selfies@eb6177e5f2", "Apache-2.0"),
}


def read_csv(data, name):
    with open(data / "domain_chem" / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_records(data):
    """Solubility in log10 mol/L, or whether a compound passes the blood-brain barrier."""
    for row in read_csv(data, "aqsoldb_solubility.csv"):
        yield {
            "id": f"aqsoldb/{row['ID']}", "name": row["Name"], "smiles": row["SMILES"],
            "log_s": float(row["Solubility"]), "n_reports": int(row["Occurrences"]), "spread": float(row["SD"]),
        }
    for row in read_csv(data, "esol_delaney.csv"):
        log_s = float(row["measured log solubility in mols per litre"])
        yield {
            "id": f"esol/{row['Compound ID'].strip()}", "name": row["Compound ID"], "smiles": row["smiles"],
            "log_s": log_s, "n_reports": 1, "spread": 0.0,
        }
    for row in read_csv(data, "bbbp.csv"):
        name = f"compound {row['name']}" if row["name"].isdigit() else row["name"]
        yield {"id": f"bbbp/{row['num']}", "name": name, "smiles": row["smiles"], "passes": row["p_np"] == "1"}


def read_molecules(data):
    """The records that have a short ASCII name and a structure RDKit understands, with what it computes."""
    uncharger, dropped, seen = rdMolStandardize.Uncharger(), Counter(), Counter()
    for record in read_records(data):
        name = re.sub(r"~\{(\w+)\}", r"\1", " ".join(record["name"].split(";")[0].split()))
        molecule = Chem.MolFromSmiles(record["smiles"].strip())
        if molecule is None or molecule.GetNumHeavyAtoms() == 0:
            dropped["structure not understood"] += 1
            continue
        smiles = Chem.MolToSmiles(molecule)
        if not name.isascii() or not 2 <= len(name) <= LONGEST_NAME or len(smiles) > LONGEST_SMILES:
            dropped["name or structure too long"] += 1
            continue
        # A salt, a charge state or a stereoisomer of a molecule is the same molecule here.
        try:
            parent = uncharger.uncharge(rdMolStandardize.FragmentParent(molecule))
            key = Chem.MolToInchiKey(parent).split("-")[0]
        except Chem.KekulizeException:
            key = ""
        if not key:
            dropped["no InChI"] += 1
            continue
        # ESOL and BBBP repeat names.
        seen[record["id"]] += 1
        if seen[record["id"]] > 1:
            record["id"] += f"#{seen[record['id']]}"
        yield {
            **record, "name": name, "smiles": smiles, "molecule": key, "cluster": cluster(parent),
            "organic": "." not in smiles and any(atom.GetSymbol() == "C" for atom in molecule.GetAtoms()),
            "formula": rdMolDescriptors.CalcMolFormula(molecule), "mass": Descriptors.MolWt(molecule),
            "log_p": Crippen.MolLogP(molecule), "surface": rdMolDescriptors.CalcTPSA(molecule),
            "n_rings": rdMolDescriptors.CalcNumRings(molecule), "n_donors": rdMolDescriptors.CalcNumHBD(molecule),
            "n_acceptors": rdMolDescriptors.CalcNumHBA(molecule),
        }
    for reason, n in sorted(dropped.items()):
        print(f"  {n} records left out: {reason}")


def cluster(molecule):
    """The Murcko scaffold and the elements: the scaffold alone would put a quarter of all molecules under benzene."""
    Chem.GetSSSR(molecule)
    scaffold = MurckoScaffold.MurckoScaffoldSmiles(mol=molecule) or "chain"
    elements = sorted({atom.GetSymbol() for atom in molecule.GetAtoms()})
    return f"{scaffold} {'.'.join(elements)}"


def is_heldout(molecule):
    return draw("molecule", molecule) % HELDOUT_ONE_IN == 0


def pick(record, slot, options):
    return options[draw(record["id"], slot) % len(options)]


def decimal(value):
    text = f"{value:.1f}"
    return "0.0" if text == "-0.0" else text


def rating(record):
    return "soluble" if record["log_s"] >= SOLUBLE_FROM else "insoluble"


def concentration(record):
    grams = 10 ** record["log_s"] * record["mass"]
    for unit, factor in (("g/L", 1), ("mg/L", 1e3), ("ug/L", 1e6), ("ng/L", 1e9)):
        if grams * factor >= 1 or unit == "ng/L":
            return f"{float(f'{grams * factor:.2g}'):g} {unit}"


def count(n, noun):
    words = ("no", "one", "two", "three", "four", "five", "six")
    return f"{words[n] if n < len(words) else n} {noun}{'' if n == 1 else 's'}"


def describe(record):
    return pick(record, "describe", [
        f"The molar mass of {record['formula']} is {record['mass']:.1f} g/mol.",
        f"{record['formula']}, {record['mass']:.1f} g/mol, {count(record['n_rings'], 'ring')}.",
        f"It has {count(record['n_donors'], 'donor')} and {count(record['n_acceptors'], 'acceptor')} of hydrogen bonds.",
        f"Computed logP is {decimal(record['log_p'])}, polar surface {record['surface']:.0f} A2.",
        f"Formula {record['formula']}, computed logP {decimal(record['log_p'])}.",
    ])


def advise(record):
    log_s = record["log_s"]
    if abs(log_s - SOLUBLE_FROM) < 0.3:
        options = ["Close to our 1 mM limit, so repeat before ordering more.", "A borderline case: check it at 25 C."]
    elif log_s >= 0:
        options = ["Stocks of 1 M in plain water are fine.", "Plain water takes any strength we use."]
    elif log_s >= SOLUBLE_FROM:
        options = ["Make the stock in water or buffer.", "No cosolvent needed.", "Buffer is fine for the assay."]
    elif log_s >= -5:
        options = ["Make the stock in DMSO.", "Dissolve it in ethanol first, then dilute.", "Use a cosolvent."]
    else:
        options = ["Treat it as a suspension in water.", "Rinse glassware with acetone, water does nothing.",
                   "DMSO or toluene only; filter before use."]
    return pick(record, "advise", options)


# The measured value and the rating stand in segments of their own, so that a task can cut the note there.
VALUE, RATING = object(), object()


def solubility_note(record, form, value_first):
    """A list of strings with `VALUE` and `RATING` between them."""
    name, smiles = record["name"], record["smiles"]
    capital = name[0].upper() + name[1:]
    reports = f" (mean of {record['n_reports']} reports, spread {record['spread']:.1f})" if record["n_reports"] > 1 else ""
    if form == "sheet":
        head = f"Compound: {name}\nSMILES: {smiles}\nIn water: "
        body = ["logS =", VALUE, f"{reports}, rated", RATING] if value_first else ["rated", RATING, ", logS =", VALUE, reports]
        tail = f"\nNotes: {describe(record)} {advise(record)}"
    elif form == "line":
        head = f"{capital} ({smiles}): "
        body = ["logS =", VALUE, ", rated", RATING, " in water."] if value_first else \
            ["rated", RATING, " in water, logS =", VALUE, "."]
        tail = f" {describe(record)}"
    elif form == "question":
        head = f"Q: Does {name} dissolve in water? The structure is {smiles}.\nA: "
        body = ["We measured logS =", VALUE, f", that is {concentration(record)}. It is rated", RATING, "."] if value_first \
            else ["It is rated", RATING, ". We measured logS =", VALUE, f", that is {concentration(record)}."]
        tail = f" {advise(record)}"
    elif form == "notebook":
        opening = pick(record, "opening", ["Solubility series, room temperature.", "Shake-flask run, pure water.",
                                           "Entry for the solubility table.", "Repeat of last week's vial."])
        head = f"{opening} The sample is {name}, {smiles}. {describe(record)} "
        body = ["The result in water is logS =", VALUE, f"{reports}, about {concentration(record)}, so it is rated", RATING, "."] \
            if value_first else ["It is rated", RATING, f" in water. The result is logS =", VALUE, f"{reports}."]
        tail = f" {advise(record)}"
    else:
        opening = pick(record, "opening", ["To purchasing", "To the assay group", "To formulation", "To the stock room"])
        head = f"{opening}: about {name}.\nStructure {smiles}. {describe(record)}\n"
        body = ["Solubility logS =", VALUE, f"{reports}. In our list it is rated", RATING, f". {advise(record)}"] \
            if value_first else ["In our list it is rated", RATING, ". Solubility logS =", VALUE, f"{reports}. {advise(record)}"]
        tail = ""
    return [head, *body, tail]


FORMS = ["sheet", "line", "question", "notebook", "memo"]
# Forms that have nothing but the name and the structure before the result.
BARE_FORMS = ["sheet", "line", "question"]


def written(record, segments):
    words = {VALUE: f" {decimal(record['log_s'])}", RATING: f" {rating(record)}"} if "log_s" in record else {}
    return "".join(segment if isinstance(segment, str) else words[segment] for segment in segments)


def before(record, segments, mark):
    return written(record, segments[: segments.index(mark)])


def barrier_note(record):
    name, smiles = record["name"], record["smiles"]
    capital = name[0].upper() + name[1:]
    verb = "crosses" if record["passes"] else "does not cross"
    answer = "Yes, it crosses" if record["passes"] else "No, it does not cross"
    use = pick(record, "use", ["Keep it on the CNS list.", "Worth a look for CNS targets."] if record["passes"] else
               ["Peripheral targets only.", "Off the CNS list."])
    return pick(record, "barrier", [
        f"Compound: {name}\nSMILES: {smiles}\nBrain: {verb} the blood-brain barrier\nNotes: {describe(record)} {use}",
        f"{capital} ({smiles}) {verb} the blood-brain barrier. {describe(record)} {use}",
        f"Q: Does {name} reach the brain? The structure is {smiles}.\nA: {answer} the blood-brain barrier. {use}",
    ])


def note(record):
    if "log_s" not in record:
        return barrier_note(record)
    form = pick(record, "form", FORMS)
    return written(record, solubility_note(record, form, value_first=draw(record["id"], "order") % 2 == 0))


def columns_of(record):
    source, licence = SOURCES[record["id"].split("/")[0]]
    return {"cluster": record["cluster"], "molecule": record["molecule"], "source": source, "licence": licence}


def heldout_columns(record):
    return {"smiles": record["smiles"], **columns_of(record)}


def by_digest(kind, records):
    return sorted(records, key=lambda record: draw(kind, record["id"]))


def one_per_molecule(records):
    return list({record["molecule"]: record for record in reversed(records)}.values())[::-1]


def choice_records(candidates):
    """As many soluble as insoluble molecules at each length of the SMILES, so that length does not give it away."""
    bins = defaultdict(lambda: {"soluble": [], "insoluble": []})
    for record in candidates:
        if abs(record["log_s"] - SOLUBLE_FROM) >= MARGIN:
            bins[len(record["smiles"]) // 3][rating(record)].append(record)
    pairs = [pair for _, sides in sorted(bins.items()) for pair in zip(sides["soluble"], sides["insoluble"])]
    pairs = sorted(pairs, key=lambda pair: draw("pair", pair[0]["id"]))[: N_CHOICES // 2]
    return [record for pair in pairs for record in pair]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--manifests", type=Path, default=Path("data-manifests"))
    arguments = parser.parse_args()
    RDLogger.DisableLog("rdApp.*")

    records = list(read_molecules(arguments.data))
    training = [record for record in records if not is_heldout(record["molecule"])]
    trained_names = {record["name"].lower() for record in training}
    trained_smiles = {record["smiles"] for record in training}
    heldout = one_per_molecule(by_digest("heldout", [
        record for record in records
        if is_heldout(record["molecule"]) and record["organic"] and record["name"].lower() not in trained_names
    ]))
    assert not any(record["smiles"] in trained_smiles for record in heldout)
    measured = [record for record in heldout if "log_s" in record and len(record["smiles"]) <= LONGEST_TASK_SMILES]
    choices = choice_records(measured)
    chosen = {record["id"] for record in choices}
    rest = [record for record in measured if record["id"] not in chosen]
    assert len(choices) == N_CHOICES and len(rest) >= N_ANSWERS
    print(f"  {len(training)} training records of {len({r['molecule'] for r in training})} molecules, "
          f"{len(heldout)} held-out molecules with a name and structure of their own")

    shared = {
        "category": "chemistry",
        "licence": "CC0-1.0 AND MIT AND Apache-2.0",
        "source": "rendered by scripts/render_chemistry.py from github.com/mcsorkun/AqSolDB results/data_curated.csv @8e02b548fd, "
                  "deepchem/deepchem datasets/delaney-processed.csv @fbe3b911a9, "
                  "aspuru-guzik-group/selfies tests/test_sets/molnet/bbbp.csv @eb6177e5f2",
        "attribution": "AqSolDB, Sorkun et al. 2019; ESOL, Delaney 2004; BBBP, Martins et al. 2012 (MoleculeNet, Wu et al. 2018)",
        "rows_per_group": 2_000,
    }
    note_columns = {"id": "id", "text": "text", "cluster": "cluster"}
    write_corpus(
        arguments.manifests, id="chem-properties", split="train", columns=note_columns, **shared,
        rows=[{"id": record["id"], "text": note(record), **columns_of(record)} for record in by_digest("order", training)],
    )
    write_corpus(
        arguments.manifests, id="chem-heldout", split="heldout", columns=note_columns, **shared,
        rows=[{"id": record["id"], "text": note(record), **heldout_columns(record)} for record in heldout
              if record["id"] not in chosen][:N_HELDOUT_NOTES],
    )
    rows = []
    for record in rest[:N_ANSWERS]:
        segments = solubility_note(record, pick(record, "bare", BARE_FORMS), value_first=True)
        context = before(record, segments, VALUE)
        rows.append({"id": record["id"], "context": context, "answer": f" {decimal(record['log_s'])}",
                     **heldout_columns(record)})
    write_corpus(
        arguments.manifests, id="chem-solubility", split="heldout", rows=rows, **shared,
        columns={"id": "id", "context": "context", "answer": "answer", "cluster": "cluster"},
    )
    rows = []
    for record in choices:
        segments = solubility_note(record, pick(record, "bare", BARE_FORMS), value_first=False)
        # Always in this order, so that the confounder can be held against the label; the labels are balanced.
        options = [" soluble", " insoluble"]
        rows.append({"id": record["id"], "context": before(record, segments, RATING), "choices": options,
                     "gold": options.index(f" {rating(record)}"), "confounder": float(len(record["smiles"])),
                     **heldout_columns(record)})
    write_corpus(
        arguments.manifests, id="chem-solubility-choice", split="heldout", rows=rows, **shared,
        columns={"id": "id", "context": "context", "choices": "choices", "gold": "gold", "cluster": "cluster",
                 "confounder": "confounder"},
    )


if __name__ == "__main__":
    main()
