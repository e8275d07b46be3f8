"""Do all missing runs of every experiment at its full size, then write docs/results, with an extract in its README.

The table of docs/memory-tasks.md is written as well.

    python scripts/results.py [--workers 2] [--only NAME ...] [--tables-only]

Runs are kept in lstm_rl/experiments/results, which comes with the package; all of them take some days of two cores.
What was interrupted goes on where it was.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from matplotlib.figure import Figure

from lstm_rl.atomic import atomic_write
from lstm_rl.diagnostics.figures import save
from lstm_rl.experiments.charts import run_marks
from lstm_rl.experiments.engine import conduct, frame, plan
from lstm_rl.experiments.registry import EXPERIMENTS, GROUPS, find
from lstm_rl.experiments.report import group_table, markdown, table, write_report
from lstm_rl.experiments.store import STORED, stored_runs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "results"
README = DOCS / "README.md"
MEMORY_TASKS = ROOT / "docs" / "memory-tasks.md"
MARKS = "<!-- tables -->\n", "<!-- /tables -->\n"
EXTRACT = {  # experiment and the beginning of its rows' names -> what the extract calls them
    ("reber", "blocks=3x2"): "1: embedded Reber grammar, 3x2",
    ("lag-a", "p=100"): "2a: first symbol again, lag 100",
    ("lag-b", "p=100"): "2b: among random symbols",
    ("lag-c", "p=50 q=50"): "2c: lags above 50, 50 distractors",
    ("lag-c", "p=1000 q=1000"): "2c: lags above 1,000, 1,000 distractors",
    ("lag-c", "p=50 q=1000"): "2c: lags above 1,000, 50 distractors",
    ("two-sequence-a", "T=100 N=1"): "3a: two sequences, T = 100, N = 1",
    ("two-sequence-a", "T=1000 N=3"): "3a: T = 1,000, N = 3",
    ("two-sequence-b", "T=100 N=3"): "3b: noisy inputs, N = 3",
    ("two-sequence-b", "T=1000 N=1"): "3b: T = 1,000, N = 1",
    ("two-sequence-c", "T=100 N=3"): "3c: noisy targets, N = 3",
    ("adding", "T=100"): "4: adding, T = 100",
    ("adding", "T=500"): "4: T = 500",
    ("adding", "T=1000"): "4: T = 1,000",
    ("multiplication", "n_seq=140"): "5: multiplication",
    ("temporal-order-3", ""): "6a: order of two symbols",
    ("temporal-order-4", ""): "6b: order of three",
}


@dataclass
class Arguments:
    """Run experiments."""

    workers: int = 1
    """Runs side by side."""
    only: tuple[str, ...] = tuple(EXPERIMENTS)
    """Experiments to run."""
    tables_only: bool = False
    """Do no runs."""


def main(arguments: Arguments) -> int:
    """Run them, write their tables, then put the experiments of each paper together."""
    for name in arguments.only:
        (experiment,), path = find(name), Path(str(STORED)) / f"{name}.csv"
        if not arguments.tables_only:
            conduct(experiment, plan(experiment.rows, experiment.runs, experiment.seed), path, arguments.workers)
        if runs := stored_runs(name):
            write_report(experiment, runs, DOCS / name, f"lstm-rl reproduce {name}")
    for paper, names in GROUPS.items():
        data = group_table({name: stored_runs(name) for name in names})
        title = f"# All experiments of {paper}\n\n"
        for ending, text in (("md", title + markdown(data)), ("csv", data.to_csv(index=False))):
            with atomic_write(DOCS / f"{paper}.{ending}") as part:
                part.write_text(text.rstrip() + "\n", encoding="utf-8")
    save(picture(), DOCS / "hs1997.png")
    fill(README, extract())
    if runs := stored_runs("memory-tasks"):
        experiment = EXPERIMENTS["memory-tasks"]
        together = experiment.summary(frame(experiment, runs))
        fill(MEMORY_TASKS, f"{markdown(table(experiment, runs))}\n\n{together}\n")
    return 0


def fill(page: Path, text: str) -> None:
    """Put a text between the marks of a page, in the place of what stands there."""
    before, _, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    with atomic_write(page) as part:
        part.write_text(before + MARKS[0] + text + MARKS[1] + rest.partition(MARKS[1])[2], encoding="utf-8")


def picture() -> Figure:
    """The LSTM rows of all experiments of 1997."""
    from pandas import concat

    parts: list[Any] = []
    published: dict[str, Any] = {}
    for name in GROUPS["hs1997"]:
        data = frame(EXPERIMENTS[name], stored_runs(name))
        prefix = name.removeprefix("hs1997-") + " "
        data["row"] = prefix + data["row"]
        parts.append(data[data["row"].str.contains("LSTM")])
        published |= {prefix + row.key: row.published.get("sequences") for row in EXPERIMENTS[name].rows}
    known = {label: float(value) for label, value in published.items() if value is not None}
    return run_marks(concat(parts), "training sequences", known)["sequences"]


def extract() -> str:
    """Some LSTM rows of the table, as published beside what we changed in it; of several rates the first."""
    text = "| experiment | published | as published, ours | changed, ours | wrong: published; ours; changed |\n"
    text += "|---|---|---|---|---|\n"
    for (name, settings), title in EXTRACT.items():
        experiment = EXPERIMENTS[f"hs1997-{name}"]
        lines = table(experiment, stored_runs(experiment.name)).to_dict("records")
        same = [line for line in lines if line["row"].startswith(settings) and "LSTM" in line["row"]]
        same = [line for line in same if line["row"][len(settings)] in ": ," or not settings]
        published = next(line for line in same if "(ours)" not in line["row"])
        changed = next((line for line in same if "(ours)" in line["row"]), None)
        shown = [_mean(published), f"{_mean(changed)} {_change(changed)}" if changed else ""]
        wrong = [published.get("published wrong", ""), published["wrong"], *([changed["wrong"]] if changed else [])]
        fractions = "; ".join(part or "-" for part in wrong) if set(wrong) - {"", "-"} else ""
        text += f"| {' | '.join([title, published['published sequences'], *shown, fractions])} |\n"
    return text


def _mean(line: dict[str, str]) -> str:
    return f"{line['sequences'].partition(' (')[0]} ({line['success'].partition(' ')[0]})"


def _change(line: dict[str, str]) -> str:
    name = line["row"].rpartition(": ")[2].removeprefix("LSTM").removesuffix("(ours)")
    return name.partition(", rate")[0].strip(", ")


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments, description=__doc__.split("\n")[0] if __doc__ else None)))
