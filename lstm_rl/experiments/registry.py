"""All experiments by name; a new one is a file of `lstm_rl.experiments.tables` and its name here."""

from lstm_rl.checks import check_choice
from lstm_rl.experiments.engine import Experiment
from lstm_rl.experiments.tables import (
    ablation,
    bakker2001_tmaze,
    blues,
    compare,
    foreign_tasks,
    gers2000,
    gers2001_languages,
    gers2002_timing,
    history_compression,
    hs1997_lags,
    hs1997_marked_numbers,
    hs1997_reber,
    hs1997_temporal_order,
    hs1997_two_sequences,
    learning_to_learn,
    long_tmaze,
    markov_models,
    memory_tasks,
    meta_learning,
    minimal_time_lag,
    model_critic,
    multimode_pole,
    parity_guessing,
    recurrent_replay,
    robots,
    self_reference,
    self_reference_policy,
    series,
    world_model,
)

MODULES = (
    bakker2001_tmaze,
    long_tmaze,
    multimode_pole,
    ablation,
    compare,
    memory_tasks,
    robots,
    learning_to_learn,
    minimal_time_lag,
    hs1997_reber,
    hs1997_lags,
    hs1997_two_sequences,
    hs1997_marked_numbers,
    hs1997_temporal_order,
    gers2000,
    gers2001_languages,
    series,
    gers2002_timing,
    blues,
    parity_guessing,
    recurrent_replay,
    foreign_tasks,
    history_compression,
    markov_models,
    meta_learning,
    self_reference,
    self_reference_policy,
    world_model,
    model_critic,
)
EXPERIMENTS: dict[str, Experiment] = {each.name: each for module in MODULES for each in module.EXPERIMENTS}
PAPERS = {
    "hs1997": "hs1997-",
    "gers2000": "gers2000-",
    "gers2001-languages": "gers2001-",
    "gers2002-timing": "gers2002-",
    "series": "series-",
    "blues": "blues-",
}
GROUPS = {paper: [name for name in EXPERIMENTS if name.startswith(start)] for paper, start in PAPERS.items()}
"""Experiments of one paper, which can be shown as one table."""


def find(name: str) -> list[Experiment]:
    """The experiment of this name, or those of a group.

    Raises:
        ValueError: There is neither.
    """
    check_choice("name", name, (*GROUPS, *EXPERIMENTS))
    return [EXPERIMENTS[each] for each in GROUPS.get(name, [name])]
