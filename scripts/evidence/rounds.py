"""What three rounds on a corpus that grows teach and cost, each on what is new."""

import json

from .project import Project, general, task


def rounds(project: Project, seeds: list[int]) -> None:
    print("\n| seed | round | documents, new | seen before | chemistry, this round ", end="")
    print("| since the first start | general, since |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for seed in seeds:
        project.run("recipes/nano/rounds.toml", seed, "-third")
        before: set[str] = set()
        for name in ("first", "second", "third"):
            of = f"runs/rounds-{seed}-{name}"
            sql = "SELECT DISTINCT document_ids FROM segments WHERE source LIKE 'chem%'"
            ids = {line["document_ids"] for line in json.loads(project.ask("query", of, sql, "--json"))}
            found = project.report(of)
            change = lambda report, name: task(report, name, "after") - task(report, name, "before")
            since = found["since"]
            lost = general(since, "after") - general(since, "before")
            print(
                f"| {seed} | {name} | {len(ids):,} | {len(ids & before)} | {change(found, 'chemistry'):+.3f} "
                f"| {change(since, 'chemistry'):+.3f} | {lost:+.3f} |"
            )
            before |= ids
