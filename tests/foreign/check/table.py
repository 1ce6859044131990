"""Makes the table of docs/guide/check.md from reports in JSON: one argument NAME=FILE for each."""

import json
import sys

rows = []
for argument in sys.argv[1:]:
    name, file = argument.split("=", 1)
    with open(file, encoding="utf-8") as report:
        results = json.load(report)["results"]

    def ids(level):
        broken = [r for r in results if r["outcome"] == "broken"]
        worst = {r["id"]: min(("must", "contract").index(f["level"]) for f in r["findings"] if f["level"] != "advice") for r in broken}
        return " ".join(f"{i:02}" for i, l in worst.items() if l == level) or "none"

    counted = [r for r in results if r["outcome"] != "not-checked" and (r["level"] != "advice" or r["outcome"] == "broken")]
    kept = sum(r["outcome"] in ("kept", "advised") for r in counted)
    rows.append(f"| {name} | {kept} of {len(counted)} | {ids(0)} | {ids(1)} |")

print("| service | kept | broken: must | broken: contract |")
print("|---|---|---|---|")
print("\n".join(rows))
