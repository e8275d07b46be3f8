"""Networks that change their own weights: Schmidhuber (1993) and Irie, Schlag, Csordas & Schmidhuber (2022)."""

from typing import Any

from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.meta_charts import error_curves
from lstm_rl.experiments.meta_score import self_score
from lstm_rl.experiments.protocols import meta_learning
from lstm_rl.experiments.protocols.meta_learning import FIXED, INTROSPECTIVE, SELF, TEST_FUNCTIONS, MetaRun

PROTOCOL = f"""\
The families of `meta-learning`, by the same rules: at each example a network sees x1, x2 and the last target, and says
f(x1, x2). Its slow weights are trained by the gradient through all changes that it makes to its weights while it runs,
and are frozen in tests: each of {TEST_FUNCTIONS:,} fresh episodes of 64 examples begins with them. Self-referential:
the matrix of 2022; introspective: the network of 1993, whose outputs address, read and change its weights. Fixed: the
same, trained without any change of weights while it runs. Stopped: trained with changes, tested without. Right again:
share of right answers at inputs that were there before, of the worst run. Success: all of them (Boolean), or as in
`meta-learning`."""
NOTES = """\
Published: a public reimplementation of the network of 1993, recalled. A network whose weights are fixed still sees the
last example, and the recurrent one of 1993 has its activations to remember by. LSTM: the rows of `meta-learning`."""
BOOLEAN: dict[str, Any] = {"units": 32, "layers": 2, "heads": 2, "batch": 16, "examples": 20, "learning_rate": 0.01}
BOOLEAN |= {"updates": 2_000, "long_share": 0.4}
OLD: dict[str, Any] = {"units": 8, "batch": 16, "examples": 20, "learning_rate": 0.005}
OLD |= {"updates": 1_500, "long_share": 0.2}
LSTM: dict[str, Any] = {"units": 12, "batch": 32, "examples": 32, "learning_rate": 0.02, "updates": 2_000}
REGRESSION: dict[str, Any] = {"units": 32, "layers": 2, "heads": 2, "batch": 32, "examples": 16, "long_share": 0.25}
LABELS = {
    SELF: "self-referential",
    SELF + FIXED: "self-referential, fixed",
    INTROSPECTIVE: "introspective",
    INTROSPECTIVE + FIXED: "introspective, fixed",
    "lstm": "LSTM",
}


def _row(family: str, network: str, settings: dict[str, Any], published: str = "", repeats: int = 1) -> Row:
    run = MetaRun(family, network, **settings)
    said = {"right again": published} if published else {}
    return Row(f"{family}: {LABELS[network]}", run, said, repeats=repeats)


ROWS = (
    _row("boolean-14", SELF, BOOLEAN | {"updates": 10_000}, repeats=10),
    _row("boolean-16", SELF, BOOLEAN, repeats=10),
    _row("boolean-4", SELF, BOOLEAN),
    _row("boolean-4", INTROSPECTIVE, OLD, "99.6 %", repeats=3),
    _row("boolean-16", SELF + FIXED, BOOLEAN),
    _row("boolean-4", INTROSPECTIVE + FIXED, OLD),
    _row("boolean-16", "lstm", LSTM),
    _row("semi-linear", SELF, REGRESSION | {"updates": 1_500}),
    _row("semi-linear", "lstm", {"units": 16, "updates": 8_000}),
    _row("quadratic", SELF, REGRESSION | {"updates": 2_000, "examples": 32}),
    _row("quadratic", "lstm", {"updates": 16_000}),
)
EXPERIMENTS = (
    Experiment(
        "self-reference",
        "networks that read and change their own weights, of 1993 and of 2022",
        PROTOCOL,
        ROWS,
        meta_learning.run,
        self_score,
        error_curves,
        meta_learning.check,
        NOTES,
        runs=1,
    ),
)
