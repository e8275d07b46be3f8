"""Run every suite of sequence tasks at its full size into docs/results: start it and leave it, it goes on where it was.

    python scripts/suites.py [--workers 2] [--out FOLDER] [--only NAME ...]

Suites come in the order of their cost, all of them some hours of two cores. Ctrl-C loses the runs that are under way.
At the end the experiments of 1997 are put together as one table and picture, with an extract in the README.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from lstm_rl.atomic import atomic_write
from lstm_rl.cli import main as lstm_rl
from lstm_rl.diagnostics.figures import save
from lstm_rl.studies.engine import Row, read_rows
from lstm_rl.suites.commands import STORED, Table, table
from lstm_rl.suites.hs1997 import LINES as HS1997
from lstm_rl.suites.table import HEAD, cells, figures, lines

ORDER = ("parity", "hmm", "chunker", *HS1997)
README = Path(__file__).parents[1] / "README.md"
MARKS = "<!-- suites -->\n", "<!-- /suites -->\n"
EXTRACT = {  # suite and settings -> what the README calls them
    "reber blocks=3x2": "1: embedded Reber grammar, 3x2",
    "lag-a p=100": "2a: first symbol again, lag 100",
    "lag-b p=100": "2b: among random symbols",
    "lag-c p=50 q=50": "2c: lags above 50, 50 distractors",
    "lag-c p=1000 q=1000": "2c: lags above 1,000, 1,000 distractors",
    "lag-c p=50 q=1000": "2c: lags above 1,000, 50 distractors",
    "two-sequence-a T=100 N=1": "3a: two sequences, T = 100, N = 1",
    "two-sequence-a T=1000 N=3": "3a: T = 1,000, N = 3",
    "two-sequence-b T=100 N=3": "3b: noisy inputs, N = 3",
    "two-sequence-b T=1000 N=1": "3b: T = 1,000, N = 1",
    "two-sequence-c T=100 N=3": "3c: noisy targets, N = 3",
    "adding T=100": "4: adding, T = 100",
    "adding T=500": "4: T = 500",
    "adding T=1000": "4: T = 1,000",
    "multiplication n_seq=140": "5: multiplication",
    "temporal-order-3": "6a: order of two symbols",
    "temporal-order-4": "6b: order of three",
}


@dataclass
class Arguments:
    """Run suites."""

    workers: int = 1
    """Runs side by side."""
    out: Path = STORED
    """Folder of the suites' folders."""
    only: tuple[str, ...] = ORDER
    """Suites to run."""


def main(arguments: Arguments) -> int:
    """Run them, then put the experiments of 1997 together."""
    for name in arguments.only:
        code = lstm_rl(["suite", "run", name, "--workers", str(arguments.workers), "--out", str(arguments.out)])
        if code:
            return code
    summarise(arguments.out)
    return 0


def summarise(out: Path) -> None:
    """The experiments of 1997 as one table, a picture of the LSTM rows, and the README's extract."""
    (out / "hs1997.md").write_text(table(Table("hs1997", out)) + "\n")
    (out / "hs1997.csv").write_text(table(Table("hs1997", out, csv=True)) + "\n")
    rows = [row for name in HS1997 for row in read_rows(out / name / "results.csv")]
    lstm = [row for case, _, own in cells(rows) if case.label.startswith("LSTM") for row in own]
    save(figures(lstm)["sequences"], out / "hs1997.png")
    if out == STORED:
        before, _, rest = README.read_text().partition(MARKS[0])
        with atomic_write(README) as part:
            part.write_text(before + MARKS[0] + extract(lstm) + MARKS[1] + rest.partition(MARKS[1])[2])


def extract(rows: list[Row]) -> str:
    """Some LSTM rows of the table, as published beside what we changed in it; of several rates the first."""
    text = "| experiment | published | as published, ours | changed, ours | wrong: published; ours; changed |\n"
    text += "|---|---|---|---|---|\n"
    table_rows = [dict(zip(HEAD, line, strict=True)) for line in lines(rows)]
    for key, name in EXTRACT.items():
        same = [row for row in table_rows if f"{row['task']} {row['settings']} ".startswith(f"hs1997-{key} ")]
        published = next(row for row in same if "(ours)" not in row["method"])
        changed = next((row for row in same if "(ours)" in row["method"]), None)
        shown = [_mean(published), f"{_mean(changed)} {_change(changed)}" if changed else ""]
        wrong = [published["published wrong"], published["wrong"], *([changed["wrong"]] if changed else [])]
        fractions = "; ".join(part or "-" for part in wrong) if set(wrong) - {"", "-"} else ""
        text += f"| {' | '.join([name, published['published sequences'], *shown, fractions])} |\n"
    return text


def _mean(row: dict[str, str]) -> str:
    return f"{row['sequences'].partition(' ')[0]} ({row['success'].partition(' ')[0]})"


def _change(row: dict[str, str]) -> str:
    return row["method"].removeprefix("LSTM").removesuffix("(ours)").strip(", ")


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments, description=__doc__.split("\n")[0] if __doc__ else None)))
