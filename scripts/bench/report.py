"""BENCHMARKS.md from what was kept."""

from figures import reasons

HEAD = """# Benchmarks

Written by `scripts/bench.sh`, which runs temper and its peers in turns on one machine. A ratio above 1 says that
temper is faster; memory ratios below 1 that it takes less. Ratios are medians of the pairs of neighbours, with the least
and the largest. [docs/performance.md](docs/performance.md) says where the time goes."""


def markdown(sections, kept):
    """`sections` are the modules in their order by name, `kept` what was measured of them."""
    measured = [name for name in sections if kept.get(name, {}).get("cases")]
    blocks = [HEAD, "## Machine and versions", *machines(kept, measured)]
    for name, module in sections.items():
        blocks.append(f"## {name.capitalize()}")
        if name not in measured:
            blocks.append("Not measured.")
            continue
        section = kept[name]
        blocks.append("\n".join(module.report(section)))
        blocks += reasons(section)
    if measured:
        blocks += ["## Commands", "\n".join(commands(kept, measured, list(sections)))]
    return "\n\n".join(blocks) + "\n"


def machines(kept, measured):
    """A table for each machine and commit that sections were measured on; one, where nothing changed in between."""
    groups = []
    for name in measured:
        on = kept[name]["on"]
        found = next((group for group in groups if group[0] == on), None)
        if found:
            found[1].append(name)
        else:
            groups.append((on, [name]))
    for on, names in groups:
        about = "" if len(groups) == 1 else f"Of {', '.join(names)}:\n\n"
        minutes = sum(kept[name]["seconds"] for name in names) / 60
        rows = [
            ("commit", on["commit"]),
            ("processor", f"{on['processor']}; {on['cores']} cores, {on['memory']} of memory"),
            ("system", on["system"]),
            ("device kind", f"`{on['device']}`"),
            ("temper", ", ".join([on["temper"], *(f"{key} {value}" for key, value in on["versions"].items()
                                                  if key == "rustc" or key.startswith("crate "))])),
            ("peers", ", ".join(f"{key} {value}" for key, value in on["versions"].items()
                                if key != "rustc" and not key.startswith("crate "))),
            ("rounds", f"{rounds(kept, names)}; {minutes:.0f} minutes in all"),
        ]
        yield about + "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows)])


def rounds(kept, names):
    """How often most cases were run, and the others by name."""
    counts = {}
    for name in names:
        for case, found in kept[name]["cases"].items():
            count = min((len(runs) for runs in found["sides"].values() if runs), default=0)
            counts.setdefault(count, []).append(case if case == name else f"{name} {case}")
    usual = max(counts, key=lambda count: len(counts[count]))
    others = [f"{count} of {', '.join(cases)}" for count, cases in counts.items() if count != usual]
    return "; ".join([str(usual), *others])


def commands(kept, measured, sections):
    """What was asked for, section by section where that differs, and what it ran."""
    asked = {}
    for name in measured:
        for command in kept[name]["asked"]:
            asked.setdefault(command, []).append(name)
    lines = ["```"]
    for command, names in asked.items():
        lines.append(command if names == sections else f'SECTIONS="{" ".join(names)}" {command}')
    lines += ["```", "", "It runs the following; PROJECT is a temporary folder.", "", "```"]
    for name in measured:
        lines += [f"# {name}", *kept[name]["commands"]]
    return [*lines, "```"]
