"""What is published stands here a second time, copied from the papers' tables by hand; and what our own tables need."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from lstm_rl.experiments import tables
from lstm_rl.experiments.engine import missing, plan
from lstm_rl.experiments.protocols.sequence_run import SequenceRun, check
from lstm_rl.experiments.registry import EXPERIMENTS, MODULES
from lstm_rl.experiments.report import table
from lstm_rl.experiments.store import stored_runs
from lstm_rl.tasks.names import TASKS, make_task
from lstm_rl.tasks.protocol import Criterion

PENDING: tuple[str, ...] = ()
"""Experiments whose runs do not come with the package yet."""
PARTIAL = (
    "recurrent-replay",
    "foreign-tasks",
    "gers2002-msd",
    "gers2002-nmsd",
    "gers2002-gts",
    "series-mackey-glass-17",
    "series-mackey-glass-30",
    "learning-to-learn",
)
"""Experiments of which some runs are still missing: `python scripts/results.py --only NAME` goes on with them."""
STORED = [name for name in EXPERIMENTS if name not in PENDING]
TABLES = sorted(path for path in Path(str(tables.__file__)).parent.glob("*.py") if path.name != "__init__.py")
PUBLISHED: dict[str, dict[str, dict[str, Any]]] = {
    "hs1997-reber": {
        "blocks=4x1: LSTM, 264 weights, rate 0.1": {"success": "100 %", "sequences": 39740},
        "blocks=3x2: LSTM, 276 weights, rate 0.1": {"success": "100 %", "sequences": 21730},
        "blocks=3x2: LSTM, 276 weights, rate 0.2": {"success": "97 %", "sequences": 14060},
        "blocks=4x1: LSTM, 264 weights, rate 0.5": {"success": "97 %", "sequences": 9500},
        "blocks=3x2: LSTM, 276 weights, rate 0.5": {"success": "100 %", "sequences": 8440},
        "blocks=4x1: RTRL, 3 units": {"success": "some", "sequences": 173000},
        "blocks=4x1: RTRL, 12 units": {"success": "some", "sequences": 25000},
        "blocks=4x1: Elman, 15 units": {"success": "0 %"},
    },
    "gers2000-cerg": {
        "LSTM, standard, external reset": {"perfect": "74 %", "streams": 7441, "good": "0", "rest": "26 % (31)"},
        "LSTM, standard": {"perfect": "0 %", "good": "1 % (1,166)", "rest": "99 % (37)"},
        "LSTM, state decay": {"perfect": "0 %", "good": "0", "rest": "100 % (56)"},
        "LSTM, forget gates": {"perfect": "18 %", "streams": 18889, "good": "29 % (39,171)", "rest": "53 % (145)"},
        "LSTM, forget gates, rate decay": {
            "perfect": "62 %",
            "streams": 14087,
            "good": "6 % (68,464)",
            "rest": "32 % (30)",
        },
    },
    "gers2000-nto": {
        f"{settings}LSTM, {network}": {"success": "100 %"}
        for settings, network in (
            ("forget_bias=5.0: ", "forget gates"),
            ("forget_bias=1.0: ", "forget gates"),
            ("", "standard"),
        )
    },
    "gers2000-cnto": {
        "LSTM, standard": {"perfect": "0 %", "rest": "100 % (4.6)"},
        "LSTM, forget gates": {"perfect": "24 %", "streams": 18077, "rest": "76 % (12.2)"},
        "LSTM, forget gates, rate decay": {"perfect": "37 %", "streams": 22654, "rest": "63 % (11.8)"},
    },
    "gers2001-anbn": {
        f"high={high}: LSTM": {"learned": "100 %", "sequences": 1000 * thousands, "range": mean, "best": best}
        for high, thousands, mean, best in (
            (10, 22, 118, 1000),
            (20, 18, 148, 587),
            (30, 16, 408, 1000),
            (40, 25, 628, 1000),
            (50, 42, 430, 767),
        )
    },
    "gers2001-anbncn": {
        f"high={high}: LSTM": {"learned": "100 %", "sequences": 1000 * thousands, "range": mean, "best": best}
        for high, thousands, mean, best in (
            (10, 54, 28, 52),
            (20, 28, 66, 160),
            (30, 37, 91, 228),
            (40, 51, 120, 500),
            (50, 60, 409, 500),
        )
    }
    | {"high=10 every=100 tested=5000: LSTM, Kalman": {"sequences": 2000, "range": "1000 and more"}},
    "gers2001-anbmbmam": {"high=11 tested=100: LSTM": {"sequences": 29000, "best": 18}},
    "series-mackey-glass-17": {
        "SOM with local models (Vesanto 1997)": {"NRMSE, t + 84": ".032 (6,000 values), .016 (28,000), .0088 (50,000)"},
        "Local models (McNames)": {"NRMSE, t + 84": ".015 - .02"},
        "LSTM, direct": {"NRMSE, t + 84": "worse than the MLP (recalled)"},
        "Echo state network, 400 units, iterated": {"NRMSE, t + 84": ".00028"},
        "Echo state network, 400 units, 21,000 values, iterated": {"NRMSE, t + 84": ".00012"},
    },
    "series-mackey-glass-30": {
        "Echo state network, 400 units, iterated": {"NRMSE, t + 84": ".11"},
        "Echo state network, 400 units, 21,000 values, iterated": {"NRMSE, t + 84": ".032"},
    },
    "series-laser": {
        "FIR network (Wan)": {"NMSE, next 100": ".0230 - .028 (recalled)"},
        "Local models (Sauer)": {"NMSE, next 100": ".08 (recalled)"},
        "LSTM": {"NMSE, next 100": "worse than the MLP (recalled)"},
    },
    "hs1997-lag-a": {
        "p=4: RTRL, one unit, rate 1": {"success": "78 %", "sequences": 1043000},
        "p=4: RTRL, one unit, rate 4": {"success": "56 %", "sequences": 892000},
        "p=4: RTRL, one unit, rate 10": {"success": "22 %", "sequences": 254000},
        "p=10: RTRL, one unit, rate 1": {"success": "0 %"},
        "p=100: RTRL, one unit, rate 1": {"success": "0 %"},
        "p=100: BPTT, one unit, rate 1": {"success": "0 %"},
        "p=100: LSTM": {"success": "100 %", "sequences": 5040},
    },
    "hs1997-lag-b": {
        "p=100: RTRL, one unit, rate 1": {"success": "0 %"},
        "p=100: BPTT, one unit, rate 1": {"success": "0 %"},
        "p=100: LSTM": {"success": "100 %", "sequences": 5680},
    },
    "hs1997-lag-c": {
        f"p={p} q={q}: LSTM": {"success": "100 %", "sequences": 1000 * thousands}
        for q, p, thousands in zip(
            (50, 100, 200, 500, 1000, 1000, 1000, 1000, 1000),
            (50, 100, 200, 500, 1000, 500, 200, 100, 50),
            (30, 31, 33, 38, 49, 49, 75, 135, 203),
            strict=True,
        )
    },
    "hs1997-two-sequence-a": {
        "T=100 N=3: LSTM": {"success": "100 %", "first": 27380, "sequences": 39850, "wrong": 0.000195},
        "T=100 N=1: LSTM": {"success": "100 %", "first": 58370, "sequences": 64330, "wrong": 0.000117},
        "T=1000 N=3: LSTM": {"success": "100 %", "first": 446850, "sequences": 452460, "wrong": 0.000078},
    },
    "hs1997-two-sequence-b": {
        "T=100 N=3: LSTM": {"success": "100 %", "first": 41740, "sequences": 43250, "wrong": 0.00828},
        "T=100 N=1: LSTM": {"success": "100 %", "first": 74950, "sequences": 78430, "wrong": 0.01500},
        "T=1000 N=1: LSTM": {"success": "100 %", "first": 481060, "sequences": 485080, "wrong": 0.01207},
    },
    "hs1997-two-sequence-c": {
        "T=100 N=3: LSTM": {"success": "100 %", "sequences": 269650, "wrong": 0.00558},
        "T=100 N=1: LSTM": {"success": "100 %", "sequences": 565640, "wrong": 0.00441},
    },
    "hs1997-adding": {
        "T=100: LSTM": {"success": "100 %", "sequences": 74000, "wrong": 1 / 2560},
        "T=500: LSTM": {"success": "100 %", "sequences": 209000, "wrong": 0},
        "T=1000: LSTM": {"success": "100 %", "sequences": 853000, "wrong": 1 / 2560},
    },
    "hs1997-multiplication": {
        "n_seq=140: LSTM": {"success": "100 %", "sequences": 482000, "wrong": 139 / 2560},
        "n_seq=13: LSTM": {"success": "100 %", "sequences": 1273000, "wrong": 14 / 2560},
    },
    "hs1997-temporal-order-3": {"LSTM": {"success": "100 %", "sequences": 31390, "wrong": 1 / 2560}},
    "hs1997-temporal-order-4": {"LSTM": {"success": "100 %", "sequences": 571100, "wrong": 2 / 2560}},
    "gers2002-nmsd": {
        f"F={F}: LSTM{name}": {"streams": n}
        for name, figures in {
            ", no peepholes": (160_000, 732_000, 17_521_000, 37_533_000, 59_453_000),
            "": (125_000, 763_000, 12_885_000, 25_686_000, 32_485_000),
        }.items()
        for F, n in zip((10, 20, 30, 40, 50), figures, strict=True)
    },
    "gers2002-msd": {
        "F=10: LSTM, no peepholes": {"solved": "10 %", "streams": 8_850_000},
        "F=10: LSTM": {"solved": "20 %", "streams": 27_453_000},
        "F=10 I=0,1,2: LSTM, no peepholes": {"solved": "20 %"},
        "F=10 I=0,1,2: LSTM": {"solved": "60 %", "streams": 9_791_000},
    },
    "gers2002-gts": {
        **{
            f"F={F}: LSTM": {"solved": "80 %" if F == 30 else "100 %", "streams": n}
            for F, n in {10: 41_000, 20: 67_000, 30: 845_000, 40: 1_152_000, 50: 2_538_000}.items()
        },
        "F=10 I=0,1: LSTM": {"solved": "50 %", "streams": 1_647_000},
        "F=10: LSTM, no peepholes": {"solved": "0 %"},
        "F=10: LSTM, no forget gates": {"solved": "0 %"},
    },
    "gers2002-pfg": {
        f"F={F} function={function}: LSTM": {"streams": n, "RMSE": error}
        for F, function, n, error in (
            (10, "cosine", 145_000, 0.18),
            (25, "cosine", 149_000, 0.17),
            (25, "cosine tolerance=0.15", 2_704_000, 0.086),
            (10, "triangle", 869_000, 0.13),
            (25, "triangle", 3_063_000, 0.14),
            (10, "rectangle", 1_107_000, 0.12),
            (25, "rectangle", 13_188_000, 0.15),
        )
    },
    "parity": {
        "parity, A1": {"trials": 2906},
        "parity, A2": {"trials": 2797},
        "parity, A2 without self-links": {"trials": 250},
        "parity, A1, noisy inputs": {"trials": 41400},
        "latch I": {"trials": 6},
        "latch II": {"trials": 22},
        "two sequences (3a), A1": {"trials": 718},
        "9-bit parity, A1, bit by bit": {"trials": 1000},
        "9-bit parity, feed-forward": {"trials": "-"},
        "parity, simulated annealing (25 - 50 bits), not run": {"trials": 810000},
        "parity, discrete error propagation, to 5 % error (25 - 50 bits), not run": {"trials": 54000},
        "parity, IOHMM, to 12 % error (250 - 500 bits), not run": {"trials": 3400},
        "latch, best of several methods, not run": {"trials": 1600},
        "two sequences, multigrid random search, not run": {"trials": 6400},
    },
    "chunker": {
        "history: chunker": {"": "13 of 17 below 5,000, the rest below 35,000"},
        "history: bptt": {"": "no gain after 1,000,000"},
        "history: rtrl": {"": "no gain after 1,000,000"},
        "history-5: chunker": {"": "-"},
        "history-5: bptt": {"": "many 100,000s"},
        "history-5: rtrl": {"": "many 100,000s"},
        "lag-a: chunker": {"": "33 %, 32,400"},
        "lag-b: chunker": {"": "0 %"},
    },
    "bakker2001-pole": {
        "lstm": {"": "2/10 for good, after 6.25 M steps on average; the others for 100s to 1000s of steps"},
        "elman": {"": "balances only the first 50 steps"},
    },
    "blues-chords": {"LSTM": {"": "learned, plays on; 15 - 45 minutes"}},
    "blues-melody": {"LSTM": {"": "keeps the form, new melodies, does not drift"}},
    "memory-tasks": {
        f"{task}, ours": {"": figures}
        for task, figures in {
            "MemoryChain length=100": "minGRU under exact RTRL up to 256, stream Q up to 64 (Farr et al. 2026)",
            "MemoryChain length=256": "minGRU under exact RTRL up to 256, stream Q up to 64 (Farr et al. 2026)",
            "NiTMazePassive corridor_length=50": "an LSTM with DQN solves it (Ni et al. 2023, recalled)",
            "NiTMazeActive corridor_length=50": "an LSTM with DQN solves it (Ni et al. 2023, recalled)",
            "RepeatFirst difficulty=easy": "scaled: streaming .48, PPO .31",
            "RepeatPrevious difficulty=easy": "scaled: streaming .99, PPO .81",
            "CountRecall difficulty=easy": "scaled: streaming .23, PPO .10",
            "HigherLower difficulty=easy": "streaming at the ceiling (Farr et al. 2026)",
            "Concentration difficulty=easy": "scaled: streaming .42, PPO .78, without memory .66",
            "MultiarmedBandit difficulty=easy": "scaled: streaming .63, PPO .81, without memory .67",
            "CartPole": "500: PPO with an LSTM, model hub of Stable-Baselines3",
            "NoisyTMaze corridor_length=20": "RL-LSTM 10 of 10 runs (Bakker 2001, recalled)",
            "NoisyTMaze corridor_length=70": "RL-LSTM some of 10 runs (Bakker 2001, recalled)",
        }.items()
    },
}
CRITERIA: dict[str, tuple[tuple[Criterion, ...], float, float]] = {  # criteria, tolerance, learning rate
    "hs1997-reber": ((Criterion(512, 0),), 0.49, 0.1),
    "hs1997-lag-a": ((Criterion(10_000, 0),), 0.25, 1.0),
    "hs1997-lag-b": ((Criterion(10_000, 0),), 0.25, 1.0),
    "hs1997-lag-c": ((Criterion(10_000, 100), Criterion(10_000, 0)), 0.2, 0.01),
    "hs1997-two-sequence-a": ((Criterion(256, 0), Criterion(256, 0, 0.01)), 0.2, 1.0),
    "hs1997-two-sequence-b": ((Criterion(256, 5), Criterion(256, 5, 0.04)), 0.2, 1.0),  # fewer than 6 of 256
    "hs1997-two-sequence-c": ((Criterion(256, 0, 0.015),), 0.1, 0.1),
    "hs1997-adding": ((Criterion(2000, 0, 0.01),), 0.04, 0.5),
    "hs1997-multiplication": ((Criterion(2000, 139),), 0.04, 0.1),  # fewer than 140 of 2,000
    "hs1997-temporal-order-3": ((Criterion(2000, 0, 0.1),), 0.3, 0.5),
    "hs1997-temporal-order-4": ((Criterion(2000, 0, 0.1),), 0.3, 0.1),
}
ON = {"hs1997-reber": "legal", **{f"hs1997-two-sequence-{variant}": "test" for variant in "abc"}}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures_are_the_papers(name: str) -> None:
    """Our rows repeat them; rows of methods that a paper has no figures for have none."""
    known = PUBLISHED[name]
    rows = {row.key: dict(row.published) for row in EXPERIMENTS[name].rows}
    assert {key: value for key, value in rows.items() if key in known} == known
    for key, value in rows.items():
        if key not in known:
            assert "(ours)" in key and value in known.values() or not value, key
    unknown = {name: [row.published for row in each.rows if row.published] for name, each in EXPERIMENTS.items()}
    assert not any(unknown[name] for name in ("ablation", "compare", "hmm", "minimal-time-lag", "multimode-pole"))


def test_figures_of_bakker_2001_are_marked_as_recalled() -> None:
    for name in ("bakker2001-tmaze", "bakker2001-tmaze-noisy"):
        said = {row.label: row.published[""] for row in EXPERIMENTS[name].rows}
        assert said["lstm, N = 50"] == "10/10 (recalled)" and said["lstm, N = 60"] == "< 10 (recalled)"
        assert said["elman, N = 5"] == said["memory-bits, N = 70"] == "plotted only"


@pytest.mark.parametrize("name", CRITERIA)
def test_criteria_are_the_papers(name: str) -> None:
    protocol = make_task(name).protocol
    assert (protocol.criteria, protocol.tolerance, protocol.learning_rate) == CRITERIA[name]
    assert protocol.stop_on == ON.get(name, "training")
    assert protocol.each_step == protocol.grows == (name in ("hs1997-lag-a", "hs1997-lag-b"))
    assert protocol.at_end == (name == "hs1997-lag-b") and protocol.window_counts == ("lag" not in name)
    assert protocol.every == (1000 if "two-sequence" in name else 100)
    if name == "hs1997-multiplication":
        assert make_task(name, n_seq=13).protocol.criteria == (Criterion(2000, 12),)


# --- tables are small, complete and consistent -----------------------------------------------------------------------


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_published_table_is_a_small_file(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 80


def test_every_table_is_registered() -> None:
    names = {module.__name__.rpartition(".")[2] for module in MODULES}
    assert names == {path.stem for path in TABLES} - {"hs1997"}  # which holds what that paper's tables share
    assert len(EXPERIMENTS) == sum(len(module.EXPERIMENTS) for module in MODULES)
    assert {name for name in EXPERIMENTS if "hs1997" in name} == {name for name in TASKS if "hs1997" in name}


@pytest.mark.parametrize("name", STORED)
def test_stored_runs_are_those_of_the_rows(name: str) -> None:
    """All runs that `reproduce` does by default are there, with the settings that it would give them.

    None is of a row that there is no more.
    """
    experiment = EXPERIMENTS[name]
    runs = stored_runs(name)
    plans = plan(experiment.rows, experiment.runs, experiment.seed)
    todo = missing(plans, runs, Path(name))
    assert bool(todo) is (name in PARTIAL)
    expected = {(each.key, each.settings.seed) for each in plans if each not in todo}
    assert {(run["row"], run["seed"]) for run in runs} >= expected
    assert {run["row"] for run in runs} <= {each.key for each in plans}
    assert len({row.key for row in experiment.rows}) == len(experiment.rows)


@pytest.mark.parametrize("name", STORED)
def test_stored_runs_are_readable_without_columns_that_have_a_default(name: str) -> None:
    experiment = EXPERIMENTS[name]
    settings = next(row.settings for row in experiment.rows if row.settings is not None)
    optional = {each.name for each in fields(settings)} - {"seed", "learning_rate", "max_trials", "corridor_length"}
    optional -= {"learner", "case", "name", "network", "states", "lag", "overrides"}  # which pictures are drawn by
    old = [{name: value for name, value in run.items() if name not in optional} for run in stored_runs(name)]
    assert table(experiment, old).equals(table(experiment, stored_runs(name)))
    plans = plan(experiment.rows, experiment.runs, experiment.seed)
    assert missing(plans, old, Path(name)) == missing(plans, stored_runs(name), Path(name))


def test_pending_experiments_have_no_runs() -> None:
    """With its runs stored, a name is to be taken out of `PENDING`."""
    assert not any(stored_runs(name) for name in PENDING)


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name.startswith("hs1997")])
def test_every_row_of_1997_can_be_run(name: str) -> None:
    for row in EXPERIMENTS[name].rows:
        settings = row.settings
        assert isinstance(settings, SequenceRun) and settings.task == name
        check(settings)
        whole = settings.resolved()
        assert (whole.learning_rate == 0.0) is (whole.gradient == "guess") and whole.max_sequences
        assert row.repeats == (3 if "weights" in row.key or "shortcuts" in row.key else 1)


def test_a_run_leaves_nothing_open() -> None:
    """What a method does not say is as published; what it says stands."""
    run = SequenceRun(task="hs1997-adding", settings="T=500").resolved()
    assert (run.network, run.gradient, run.learning_rate) == ("published", "truncated", 0.5)
    assert (run.optimizer, run.loss, run.max_sequences) == ("sgd", "squared", 2_000_000)
    method: dict[str, Any] = {"network": "gru", "units": 3, "learning_rate": 0.1, "optimizer": "rmsprop"}
    method |= {"rms_decay": 0.9, "average": 100, "max_sequences": 500}
    whole = SequenceRun(task="hs1997-temporal-order-3", **method).resolved().chosen()
    assert whole == method | {"gradient": "bptt", "loss": "squared"}
