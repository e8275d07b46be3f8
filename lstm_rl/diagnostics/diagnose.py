"""`lstm-rl diagnose`: which steps errors reach, in untrained networks and along an episode of a trained model."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lstm_rl.atomic import atomic_write
from lstm_rl.checks import check_int
from lstm_rl.diagnostics.episode import decision, episode_errors, record_episode
from lstm_rl.diagnostics.error_comparison import Flow, compare
from lstm_rl.diagnostics.error_figures import comparison_figure, layers_figure
from lstm_rl.diagnostics.figures import save
from lstm_rl.diagnostics.replay import as_network
from lstm_rl.diagnostics.timeline import describe, episode_errors_figure, episode_figure
from lstm_rl.evaluation import load
from lstm_rl.make import limited, make_env
from lstm_rl.pretrained import PREFIX

LAYERED = "LSTM 2000, forget bias 3"  # the network that is shown layer by layer


def diagnose_networks(units: int, lags: int, seed: int, out: Path, progress: bool = True) -> str:
    """Measure untrained networks; write two pictures and their numbers, return a sentence about them.

    Args:
        units: n >= 1 of each network.
        lags: Steps back >= 1.
        seed: >= 0.
        out: A folder: error_flow.png, layers.png, error_flow.csv.
        progress: Whether to show a bar.

    Raises:
        ValueError: An argument does not fit.
    """
    _check_folder(out)
    flows = compare(units, lags, seed, progress)
    save(comparison_figure(flows), out / "error_flow.png")
    save(layers_figure(next(flow for flow in flows if flow.name == LAYERED)), out / "layers.png")
    _write(out / "error_flow.csv", ("network", "source", "layer", "lag", "norm", "theory"), _rows(flows))
    far = {flow.name: flow.shown[-1] for flow in flows if flow.family != "one unit"}
    least, most = min(far, key=far.__getitem__), max(far, key=far.__getitem__)
    return (
        f"{out}: {len(far)} networks of {units} units; {lags} steps back, an error of 1 is between {far[least]:.2g} "
        f"({least}) and {far[most]:.2g} ({most}); error_flow.png, layers.png, error_flow.csv"
    )


def diagnose_run(run: Path, which: str, seed: int, max_steps: int | None, out: Path | None) -> str:
    """Play one greedy episode of a trained model; write what its network did and which steps its decision reaches.

    Args:
        run: Run folder, or "model:" and the name of one of `lstm_rl.pretrained`.
        which: "best" or "last".
        seed: >= 0, of the episode.
        max_steps: As `limited`.
        out: A folder: activations.png, error_flow.png, error_flow.csv; ``None``: ``diagnose`` in the run folder,
            or ``diagnose-NAME`` here.

    Raises:
        ValueError: The folder is no run, its model is a table, or an argument does not fit.
    """
    model, env_id, env_kwargs = load(run, which, "diagnose")
    as_network(model.policy)  # for its error
    if out is None:
        name = str(run).removeprefix(PREFIX)
        out = run / "diagnose" if name == str(run) else Path(f"diagnose-{name}")
    _check_folder(out)
    env = make_env(env_id, limited(env_id, env_kwargs, max_steps))
    episode = record_episode(model.policy, env, check_int("seed", seed, 0))
    env.close()
    step = decision(episode)
    errors = episode_errors(model.policy, episode, step)
    norms = {name: np.linalg.norm(derivatives, axis=1) for name, derivatives in errors.items()}
    save(episode_figure(episode), out / "activations.png")
    save(episode_errors_figure(episode, errors, step), out / "error_flow.png")
    rows = ((layer, t, step - t, norm) for layer, by_step in norms.items() for t, norm in enumerate(by_step))
    _write(out / "error_flow.csv", ("layer", "step", "lag", "norm"), rows)
    first = ", ".join(f"{layer} {norm[0]:.2g}" for layer, norm in norms.items() if norm[0] > 0.0)
    return (
        f"{out}: {describe(episode)}; of the decision's error at step {step}, step 0 gets: {first or 'nothing'}; "
        "activations.png, error_flow.png, error_flow.csv"
    )


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"out must be a folder, got {out}, which is a file")


def _rows(flows: Iterable[Flow]) -> Iterable[tuple[Any, ...]]:
    """Every lag up to 20, then some 20 to a factor of 10, as the pictures' axes have it."""
    for flow in flows:
        for layer, norms in flow.norms.items():
            theory = flow.theory.get(layer, [""] * len(norms))
            last = len(norms) - 1
            lags = {*range(min(20, last) + 1), *np.geomspace(1, max(last, 1), 60).astype(int).tolist(), last}
            for lag in sorted(lags):
                yield flow.name, flow.layer, layer, lag, norms[lag], theory[lag]


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    """All rows, as a whole or not at all."""
    with atomic_write(path) as part, part.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
