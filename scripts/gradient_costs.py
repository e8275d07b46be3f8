"""What each form of the gradient costs, in time and memory, against the length of a sequence and the size of a network.

    python scripts/gradient_costs.py [--out FOLDER] [--quick]

Times are the best of several rounds, all forms in turn in each, on one thread: other work only makes them worse.
"""

import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import tyro
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray
from tqdm import tqdm

from lstm_rl.atomic import atomic_write
from lstm_rl.compiled import entry_point
from lstm_rl.diagnostics.figures import MORE_LINES, save
from lstm_rl.experiments.report import environment
from lstm_rl.experiments.store import Run, write_runs
from lstm_rl.kernels.approximator import Sgd, Update
from lstm_rl.kernels.kalman import make_dekf, train
from lstm_rl.kernels.layout import Weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.kernels.supervised import learn_sequences
from lstm_rl.nn import LstmNetwork
from lstm_rl.topology import Topology

INPUTS, OUTPUTS, DEPTH = 4, 2, 20
LENGTH, BLOCKS = 100, 8  # where the other one varies
LENGTHS = (10, 30, 100, 300, 1000, 3000, 10_000)
SIZES = (1, 2, 4, 8, 16, 32, 64)  # blocks
ROUNDS = 5
SECONDS_PER_CALL = 0.002  # at least, so that a call costs nothing
SECONDS_PER_MEASUREMENT = 0.05  # at least one call
REMEMBERS, FORGETS = 12.0, 0.0  # biases of forget gates
MARKERS = "osD^vPX*"
MARKER_SIZES = (10, 5, 7, 10, 5, 7, 7, 8)  # so that a line below another can be seen
UNITS = {"microseconds": 1.0, "bytes": 1024.0}  # shown as microseconds and KiB
DTYPE = np.float64  # the filter knows no other


class Job(NamedTuple):
    """One form of the gradient at one length and size."""

    work: Callable[[], object]
    steps: int  # time steps that a call does
    carried: int  # bytes


@dataclass(frozen=True)
class Form:
    """One form of the gradient."""

    name: str
    make: Callable[[Topology, int], Job]
    """From a network and the length of a sequence."""
    forget_gate_bias: float = REMEMBERS


def network(form: Form, blocks: int) -> Topology:
    """With this many blocks of one cell, recurrent links, no peepholes."""
    return Topology(INPUTS, OUTPUTS, blocks=(1,) * blocks, forget_gate_bias=form.forget_gate_bias)


def size(*arrays: NDArray[Any]) -> int:
    """Bytes of all arrays."""
    return sum(array.nbytes for array in arrays)


def new_weights(topology: Topology) -> Weights:
    """Initial weights."""
    hidden, output = topology.initial_weights(np.random.default_rng(0))
    return Weights(hidden, output, np.zeros_like(hidden), np.zeros_like(output))


def sequence(length: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Inputs (T, I) and targets (T, K), one at every step."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(length, INPUTS)), rng.normal(size=(length, OUTPUTS))


def streaming(approximator: Any, length: int, carried: int) -> Job:
    """A sequence learned step by step, an error at every step; the weights move (next to nothing) at its end."""
    x, targets = sequence(length)
    wanted, by = np.ones(length, np.bool_), Update(Sgd(), 1e-12, 1.0)

    def calls(times: int) -> Callable[[], object]:
        order, errors, row, found = np.zeros(times, np.int64), np.zeros(OUTPUTS), np.zeros(INPUTS), np.zeros((times, 2))
        arguments = (approximator, x[None], targets[None], wanted, order, by, False, errors, row, found)
        code = entry_point(learn_sequences, *arguments)
        return lambda: code(*arguments)

    once = calls(1)  # compiles, too
    begun = time.perf_counter()
    once()
    times = math.ceil(SECONDS_PER_CALL / (time.perf_counter() - begun))
    return Job(calls(times), length * times, carried)


def forward_truncated(topology: Topology, length: int) -> Job:
    """The truncated gradient of 1997, partial derivatives of cell states carried forward."""
    lstm: Any = make_approximator(topology, new_weights(topology), 1, DTYPE)
    return streaming(lstm, length, size(lstm.streams.partials))


def forward_complete(topology: Topology, length: int) -> Job:
    """Real-time recurrent learning; its scratch is not counted."""
    rtrl: Any = make_approximator(topology, new_weights(topology), 1, DTYPE, "rtrl")
    return streaming(rtrl, length, size(rtrl.sensitivities.units, rtrl.sensitivities.states))


def back_at_every_step(depth: int | None) -> Callable[[Topology, int], Job]:
    """Errors carried back anew at every step, ``depth`` steps or to the sequence's beginning."""

    def make(topology: Topology, length: int) -> Job:
        bptt: Any = make_approximator(topology, new_weights(topology), 1, DTYPE, "bptt", depth or length)
        return streaming(bptt, length, size(*bptt.history))

    return make


def kalman(topology: Topology, length: int) -> Job:
    """The decoupled extended Kalman filter on the truncated gradient carried forward."""
    dekf, (x, targets) = make_dekf(topology, new_weights(topology)), sequence(length)
    carried = size(dekf.streams.partials, dekf.covariance, dekf.output_covariance)
    noises, errors = (np.full(length, 100.0), np.full(length, 1e-6)), np.zeros(targets.shape)
    arguments = (dekf, x, targets, np.ones(length, np.bool_), *noises, errors)
    code = entry_point(train, *arguments)
    return Job(lambda: code(*arguments), length, carried)


def torch_sequence(gradient: Any) -> Callable[[Topology, int], Job]:
    """One forward and one backward pass over the whole sequence; what is carried is the forward pass's record."""

    def make(topology: Topology, length: int) -> Job:
        lstm = LstmNetwork(topology, 0, gradient=gradient, execution="compiled", dtype=torch.float64)
        x, targets = (torch.tensor(part)[:, None] for part in sequence(length))
        record: Any = lstm(x)[0].grad_fn

        def work() -> None:
            y, _ = lstm(x)
            y.backward(targets - y.detach())

        return Job(work, length, size(*record.record))

    return make


COMPLETE, FORWARD, RTRL = "complete BPTT at every step", "truncated 1997, forward", "RTRL, forward"
FORMS = (
    Form(COMPLETE, back_at_every_step(None)),
    Form("complete BPTT at every step, y_φ = 1/2", back_at_every_step(None), FORGETS),
    Form(f"BPTT of depth {DEPTH} at every step", back_at_every_step(DEPTH)),
    Form("complete BPTT per sequence, Torch", torch_sequence("bptt")),
    Form("truncated 1997 per sequence, Torch", torch_sequence("truncated")),
    Form(FORWARD, forward_truncated),
    Form(RTRL, forward_complete),
    Form("DEKF on truncated 1997, forward", kalman),
)


# --- measuring -------------------------------------------------------------------------------------------------------


def seconds(work: Callable[[], object]) -> float:
    """The shortest of some calls."""
    best, begun = math.inf, time.perf_counter()
    while True:
        called = time.perf_counter()
        work()
        ended = time.perf_counter()
        best = min(best, ended - called)
        if ended - begun > SECONDS_PER_MEASUREMENT:
            return best


def measure(lengths: Sequence[int], sizes: Sequence[int], rounds: int) -> list[Run]:
    """A row for each form at each length (with ``BLOCKS`` blocks) and at each size (for ``LENGTH`` steps)."""
    points = sorted({(length, BLOCKS) for length in lengths} | {(LENGTH, blocks) for blocks in sizes})
    todo = [(form, length, blocks) for form in FORMS for length, blocks in points]
    rows: list[Run] = []
    for form, length, blocks in todo:
        sizes_of = {"form": form.name, "T": length, "n": blocks, "W": network(form, blocks).weight_count}
        rows.append(sizes_of | {"microseconds": math.inf, "bytes": 0})
    rng, bar = np.random.default_rng(2), tqdm(total=rounds * len(todo), unit="measurement", smoothing=0.0)
    with bar:
        for _ in range(rounds):
            for at in rng.permutation(len(todo)).tolist():  # so that a slow moment meets all, and the bar is fair
                form, length, blocks = todo[at]
                job = form.make(network(form, blocks), length)  # anew: where arrays lie in memory matters, too
                per_step = seconds(job.work) / job.steps * 1e6
                rows[at] |= {"microseconds": min(rows[at]["microseconds"], per_step), "bytes": job.carried}
                bar.update()
    return rows


# --- table and picture -----------------------------------------------------------------------------------------------


def select(rows: list[Run], form: str, against: str, *columns: str) -> list[NDArray[Any]]:
    """Columns of a form's rows, against T (``BLOCKS`` blocks) or W (``LENGTH`` steps)."""
    fixed, value = ("n", BLOCKS) if against == "T" else ("T", LENGTH)
    chosen = [row for row in rows if row["form"] == form and row[fixed] == value]
    return [np.array([row[column] for row in chosen]) for column in columns]


def exponent(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Slope on the log-log plot over the larger half of the values, where constants no longer count."""
    half = (len(x) - 1) // 2
    return float(np.polyfit(np.log(x[half:]), np.log(y[half:]), 1)[0])


def table(rows: list[Run]) -> str:
    """Four tables of values, one of exponents."""
    parts = []
    for against, letter, quantity in ((*pair, quantity) for pair in (("T", "T"), ("W", "n")) for quantity in UNITS):
        (values,) = select(rows, COMPLETE, against, letter)
        names = [f"{letter} = {value:,}" for value in values]
        if against == "W":
            (counts,) = select(rows, COMPLETE, against, "W")
            names = [f"{name}, W = {count:,}" for name, count in zip(names, counts, strict=True)]
        fixed = f"n = {BLOCKS}" if against == "T" else f"T = {LENGTH}"
        what = "Microseconds per time step" if quantity == "microseconds" else "KiB carried"
        lines = [f"{what}, {fixed}:", "", f"| form | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
        for form in FORMS:
            (numbers,) = select(rows, form.name, against, quantity)
            lines.append(f"| {form.name} | {' | '.join(map(text, numbers / UNITS[quantity]))} |")
        parts.append("\n".join(lines))
    (larger,) = select(rows, COMPLETE, "W", "n")
    growth = exponent(*select(rows, COMPLETE, "W", "n", "W"))
    lines = [
        "Exponents: slopes on the log-log plot over the larger half of the values, "
        f"from n = {larger[(len(larger) - 1) // 2]} on, where W itself grows as n^{growth:.2f}:",
        "",
        "| form | time: of T | of n | of W | memory: of T | of n | of W |",
        "|---|---|---|---|---|---|---|",
    ]
    columns = [(against, x, y) for y in UNITS for against, x in (("T", "T"), ("W", "n"), ("W", "W"))]
    for form in FORMS:
        exponents = [exponent(*select(rows, form.name, *column)) for column in columns]
        lines.append(f"| {form.name} | {' | '.join(f'{value:z.2f}' for value in exponents)} |")
    return "\n\n".join([*parts, "\n".join(lines)])


def text(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


class Reference(NamedTuple):
    """A light line of known slope, beside the line of a form."""

    form: str
    power: float
    label: str
    factor: float  # of the form's last value: above or below its line


REFERENCES = {
    ("T", "microseconds"): [Reference(COMPLETE, 1.0, "~ T", 2.2)],
    ("T", "bytes"): [Reference(COMPLETE, 1.0, "~ T", 0.3)],
    ("W", "microseconds"): [Reference(RTRL, 2.0, "~ W² ~ n⁴", 2.2), Reference(FORWARD, 1.0, "~ W ~ n²", 0.4)],
    ("W", "bytes"): [Reference(RTRL, 1.5, "~ W^1.5 ~ n³", 2.2), Reference(FORWARD, 1.0, "~ W ~ n²", 0.4)],
}


def picture(rows: list[Run]) -> Figure:
    """Time and memory against length and number of weights."""
    figure = Figure(figsize=(12, 10), dpi=100, layout="constrained")
    panels = figure.subplots(2, 2, sharex="col", sharey="row")
    for row, (quantity, scale) in enumerate(UNITS.items()):
        for column, against in enumerate(("T", "W")):
            panel = panels[row, column]
            for k, form in enumerate(FORMS):
                x, y = select(rows, form.name, against, against, quantity)
                style = {"color": MORE_LINES[k], "marker": MARKERS[k], "markersize": MARKER_SIZES[k]}
                panel.plot(x, y / scale, label=form.name, linestyle="--" if "Torch" in form.name else "-", **style)
            for reference in REFERENCES[against, quantity]:
                x, y = select(rows, reference.form, against, against, quantity)
                half = (len(x) - 1) // 2
                line = reference.factor * y[-1] / scale * (x[half:] / x[-1]) ** reference.power
                panel.plot(x[half:], line, color="black", alpha=0.35, linewidth=1.0)
                above = reference.factor > 1.0
                panel.annotate(
                    reference.label,
                    (x[-2], line[-2]),
                    (-4, 4) if above else (4, -4),
                    textcoords="offset points",
                    ha="right" if above else "left",
                    va="bottom" if above else "top",
                    alpha=0.7,
                )
            panel.set(xscale="log", yscale="log")
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.yaxis.set_minor_formatter(NullFormatter())
            panel.grid(alpha=0.3)
            panel.tick_params(labelbottom=True)
    panels[0, 0].set(ylabel="microseconds per time step", title=f"{BLOCKS} blocks of one cell")
    panels[0, 1].set(title=f"sequences of {LENGTH} steps")
    panels[1, 0].set(ylabel="KiB carried between steps", xlabel="length of the sequence T")
    panels[1, 1].set(xlabel="number of weights W (n cells: W ~ n²)")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


PROTOCOL = f"""\
One sequence in one stream, {INPUTS} inputs, {OUTPUTS} outputs, n blocks of one cell with all three gates and recurrent
links, no peepholes, float64, an error at every step; weights that move once per sequence, the filter's at every step. A
time is that of forward pass and gradient together, per time step of the sequence, the best of {{rounds}} rounds; all
forms take turns.

Memory is what a form keeps from one step for later ones, the `nbytes` of its arrays: partial derivatives of cell states
(truncated 1997, forward), all sensitivities (RTRL), the ring of past activations (BPTT at every step), covariances and
partials (DEKF), the record of the forward pass that autograd holds (Torch). Weights, the sum of gradients and the
network's own state are the same for all and not counted, nor is scratch.

Forget gates have a bias of {REMEMBERS:g}, so that errors live as long as the sequence. BPTT at every step ends as soon
as what is left of the error is below the resolution of its number type: with forget gates at 1/2 that is after some 50
steps, however long the sequence. In Torch a call costs some 200 microseconds, whatever it does."""


@dataclass
class Arguments:
    """Measure, write table.md, costs.csv and costs.png, print the table."""

    out: Path = Path("docs/results/gradient-costs")
    """Folder to write to."""
    quick: bool = False
    """Few small values, one round: only to see that it runs."""


def main(arguments: Arguments) -> None:
    """Measure and write."""
    torch.set_num_threads(1)
    lengths, sizes, rounds = ((10, 30, 100), (1, 2, 4), 1) if arguments.quick else (LENGTHS, SIZES, ROUNDS)
    rows = measure(lengths, sizes, rounds)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_runs(arguments.out / "costs.csv", rows)
    save(picture(rows), arguments.out / "costs.png")
    tables = table(rows)
    command = " ".join(["python", *sys.argv])
    with atomic_write(arguments.out / "table.md") as part:
        head = f"# gradient-costs\n\n{PROTOCOL.format(rounds=rounds)}\n\n![Time and memory](costs.png)"
        part.write_text(f"{head}\n\n{tables}\n\n`{command}` with {environment()}.\n")
    print(tables)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__.split("\n")[0] if __doc__ else None))
