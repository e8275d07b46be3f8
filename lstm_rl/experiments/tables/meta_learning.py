"""Networks that learn to learn functions from examples: Hochreiter, Younger & Conwell (2001)."""

from typing import Any

from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.meta_charts import error_curves
from lstm_rl.experiments.meta_score import score
from lstm_rl.experiments.protocols import meta_learning
from lstm_rl.experiments.protocols.meta_learning import SHARE, TEST_FUNCTIONS, MetaRun

PROTOCOL = f"""\
Hochreiter, Younger & Conwell (2001): at each example a network sees x1, x2 and the last target, and says f(x1, x2); its
weights are frozen in tests. Families: Boolean functions of two bits, (1 + tanh(w x + w3)) / 2, and quadratic functions,
.2 to .8. Ours: new functions for each batch (paper: 128 for training), Adam with rates falling to 0, targets
standardised, the logarithm of each example's error as loss. Test: {TEST_FUNCTIONS:,} fresh functions (paper: 128), 64
examples each. Learned: the first example from which on the mean absolute error stays below {SHARE:g} of that of the
best constant. Right again: share of right answers at inputs that were there before, of the worst run. Error at 10, 30,
64: mean absolute, in units of targets. Over least squares: the largest error from example 10 on, in errors of
regression on the true features with the true prior; shown with noise alone, since without it that is exact after 6
examples (semi-linear: 3). Success: quadratic functions learned by example 30, semi-linear ones by 10, Boolean ones
always right at what was there before. Medians over runs. Published figures are recalled."""
NOTES = """\
Noise is on the last targets that a network sees, not on those that it is tested with. Of the published network we know
the number of weights alone: five blocks of thirteen cells with peepholes come to it (ours). Elman: logistic units."""
FAMILIES: dict[str, tuple[dict[str, Any], str]] = {
    "quadratic": ({"updates": 16_000}, "about 30 examples; 5 months of training"),
    "semi-linear": ({"updates": 8_000, "units": 16}, "10 - 15 examples"),
    "boolean-16": ({"updates": 2_000, "units": 12, "batch": 32, "examples": 32, "learning_rate": 0.02}, "learned"),
    "boolean-14": ({"updates": 2_000, "units": 12, "batch": 32, "examples": 32, "learning_rate": 0.02}, "learned"),
}
SHORT_FIRST: dict[str, Any] = {
    "units": 34,
    "examples": 16,
    "long_share": 0.2,
    "updates": 16_000,
}  # the last fifth has 64 examples
NAMES = {"lstm": "LSTM", "elman": "Elman", "gru": "GRU", "slstm": "sLSTM"}


def _row(family: str, network: str, published: str = "", name: str = "", repeats: int = 1, **changes: Any) -> Row:
    settings = MetaRun(family, network, **FAMILIES[family][0] | changes)
    label = f"{family}: {name or f'{NAMES[network]}, {settings.units} units'}"
    return Row(label, settings, {"": published} if published else {}, repeats=repeats)


ROWS = (
    *(_row(family, "lstm", said, repeats=3) for family, (_, said) in FAMILIES.items()),
    _row("semi-linear", "lstm", name="LSTM, 34 units, 16 examples first", repeats=3, **SHORT_FIRST),
    _row("quadratic", "lstm", name="LSTM, 34 units, noise .02", noise=0.02),
    _row("quadratic", "lstm", units=16),
    *(_row(family, "elman", "learned" if "boolean" in family else "not learned") for family in FAMILIES),
    *(_row(family, "gru") for family in FAMILIES),
    *(_row(family, "slstm") for family in FAMILIES),
    _row("quadratic", "published", name="LSTM of 2001, 5,373 weights", updates=5_000, learning_rate=0.002),
)
EXPERIMENTS = (
    Experiment(
        "meta-learning",
        "learning to learn functions from examples with frozen weights, after 2001",
        PROTOCOL,
        ROWS,
        meta_learning.run,
        score,
        error_curves,
        meta_learning.check,
        NOTES,
        runs=1,
    ),
)
