"""Functions to be learned within a sequence, what could be known of them, and networks that learn to learn them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lstm_rl.cli import main
from lstm_rl.experiments.engine import plan
from lstm_rl.experiments.meta_charts import error_curves
from lstm_rl.experiments.meta_score import percent
from lstm_rl.experiments.protocols import meta_learning
from lstm_rl.experiments.protocols.meta_learning import (
    NETWORKS,
    MetaRun,
    check,
    make_network,
    run,
    score_of,
    tensors,
    train,
)
from lstm_rl.experiments.protocols.meta_references import curves, least_squares, seen_before
from lstm_rl.experiments.registry import EXPERIMENTS
from lstm_rl.tasks import FunctionFamily
from lstm_rl.tasks.dataset import SequenceDataset
from lstm_rl.tasks.function_families import FAMILIES, TABLES


def draw(family: str, size: int = 400, **settings: Any) -> Any:
    return FunctionFamily(family, **settings).batch(size, np.random.default_rng(5))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_step_shows_the_last_target(family: str) -> None:
    batch = draw(family)
    assert batch.x.shape == (64, 400, 3) and batch.targets.shape == (64, 400, 1) and batch.has_target.all()
    assert (batch.x[0, :, 2] == 0.5).all() and (batch.x[1:, :, 2] == batch.targets[:-1, :, 0]).all()
    assert np.abs(batch.x[..., :2]).max() <= 1.0
    assert batch.targets.std() == pytest.approx(FunctionFamily(family).scale, rel=0.15)


@pytest.mark.parametrize("family", TABLES)
def test_boolean_sequences_are_the_familys_functions_equally_often(family: str) -> None:
    batch = draw(family, 4000)
    patterns = ((batch.x[..., 0] > 0) + 2 * (batch.x[..., 1] > 0)).astype(int)
    values = [[batch.targets[..., 0][patterns[:, n] == k, n] for k in range(4)] for n in range(4000)]
    assert all(len(set(of_pattern)) == 1 for each in values for of_pattern in each)  # 64 draws show each pattern
    numbers = [sum(int(of_pattern[0]) << k for k, of_pattern in enumerate(each)) for each in values]
    counts = np.bincount(numbers, minlength=16)
    expected = 4000 / len(TABLES[family])
    assert set(np.flatnonzero(counts)) == set(TABLES[family])
    assert np.abs(counts[counts > 0] - expected).max() < 5.0 * np.sqrt(expected)
    assert {"boolean-16": 16, "boolean-14": 14, "boolean-4": 4}[family] == len(TABLES[family])


def test_xor_and_its_complement_are_not_linearly_separable_and_the_others_are() -> None:
    assert set(TABLES["boolean-16"]) - set(TABLES["boolean-14"]) == {0b0110, 0b1001}


@pytest.mark.parametrize(("family", "coefficients"), [("quadratic", 6), ("semi-linear", 3)])
def test_least_squares_knows_the_function_after_as_many_examples_as_coefficients(
    family: str, coefficients: int
) -> None:
    task, batch = FunctionFamily(family), draw(family)
    known = curves(task, batch)
    assert max(known["least squares"][coefficients + 4 :]) < 1e-3 * known["constant"][0]
    assert known["least squares"][0] == pytest.approx(known["constant"][0])
    assert known["least squares"][coefficients - 1] > 0.01 * known["constant"][0]
    assert known["least squares"][63] < known["nearest neighbour"][63] < known["constant"][63]


def test_least_squares_is_ridge_regression_by_hand() -> None:
    task = FunctionFamily("quadratic", 20, 0.01)
    batch = task.batch(1, np.random.default_rng(1))
    (a, b), seen = batch.x[:, 0, :2].T, batch.x[1:, 0, 2]
    features = np.stack([a * a, b * b, a * b, a, b, np.ones(20)], 1)
    f = features[:19]
    c = np.linalg.solve(f.T @ f + 3.0 * 0.2**2 * np.eye(6), f.T @ ((seen - 0.5) / 0.05))  # noise .01 / .05, prior 1 / 3
    given = np.append(seen, 0.0)[:, None]
    assert least_squares(task, batch.x[..., :2], given, batch.targets[..., 0])[19, 0] == pytest.approx(
        0.5 + 0.05 * features[19] @ c
    )


def test_the_bayes_curve_of_all_boolean_functions_is_known() -> None:
    batch = draw("boolean-16", 20_000, examples=12)
    known = curves(FunctionFamily("boolean-16"), batch)["Bayes"]
    np.testing.assert_allclose(known, 0.5 * 0.75 ** np.arange(12), atol=0.01)
    batch = draw("boolean-14", examples=12)  # three values tell something of the fourth: two functions are missing
    some = curves(FunctionFamily("boolean-14"), batch)["Bayes"]
    assert some[0] == 0.5 and some[11] < 0.5 * 0.75**11 + 0.02


def test_noise_is_on_what_is_seen_alone() -> None:
    batch = draw("quadratic", noise=0.02)
    noise = batch.x[1:, :, 2] - batch.targets[:-1, :, 0]
    assert noise.std() == pytest.approx(0.02, rel=0.03) and abs(noise.mean()) < 1e-3
    assert curves(FunctionFamily("quadratic", noise=0.02), batch)["least squares"][63] == pytest.approx(0.005, rel=0.4)


def test_seen_before_by_hand() -> None:
    x = np.array([[0, 0], [0, 1], [0, 0], [1, 1], [0, 1]], float)[:, None]
    assert seen_before(x)[:, 0].tolist() == [False, False, True, False, True]


def test_a_data_set_gives_batches() -> None:
    x, targets, _ = next(iter(SequenceDataset(FunctionFamily("semi-linear", 10), 7, 0)))
    assert x.shape == (10, 7, 3) and targets.shape == (10, 7, 1) and x.dtype == torch.float32


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"family": "cubic"}, "family must be one of boolean-16, boolean-14, boolean-4, semi-linear, quadratic, got"),
        ({"examples": 0}, "examples must be an integer >= 1, got 0"),
        ({"noise": -1.0}, "noise must be a number in"),
    ],
)
def test_what_does_not_exist_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        FunctionFamily(**settings)


# --- scores ----------------------------------------------------------------------------------------------------------


def test_scores_of_known_answers() -> None:
    task, batch = FunctionFamily("quadratic"), draw("quadratic")
    targets, known = batch.targets[..., 0], curves(task, batch)
    perfect = score_of(task, batch, targets, known)
    assert perfect["success"] and perfect["learned"] == 1 and perfect["ratio"] is None
    noisy, batch_2 = FunctionFamily("quadratic", noise=0.02), draw("quadratic", noise=0.02)
    best = curves(noisy, batch_2)
    twice = batch_2.targets[..., 0] + 2.0 * np.array(best["least squares"])[:, None]
    assert score_of(noisy, batch_2, twice, best)["ratio"] == pytest.approx(2.0)
    late = np.where(np.arange(64)[:, None] < 30, 0.5, targets)  # wrong up to example 30
    assert score_of(task, batch, late, known)["learned"] == 31 and not score_of(task, batch, late, known)["success"]
    never = score_of(task, batch, np.full_like(targets, 0.5), known)
    assert never["learned"] is None and never["errors"] == pytest.approx(known["constant"])
    boolean, batch = FunctionFamily("boolean-16"), draw("boolean-16")
    half = score_of(boolean, batch, np.full_like(targets, 1.0), curves(boolean, batch))
    assert half["right_again"] == pytest.approx(0.5, abs=0.1) and not half["success"]
    assert score_of(boolean, batch, batch.targets[..., 0], curves(boolean, batch))["right_again"] == 1.0
    assert (percent(1.0), percent(0.99999), percent(0.5)) == ("100 %", "99.99 %", "50.00 %")


# --- runs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_is_built_by_its_seed(network: str) -> None:
    x, units = torch.ones(2, 3, 3), 4
    a, b, other = (make_network(MetaRun("boolean-16", network, units, seed, heads=2)) for seed in (1, 1, 2))
    assert torch.equal(a(x)[0], b(x)[0]) and not torch.equal(a(x)[0], other(x)[0])
    assert a(x)[0].shape == (2, 3, 1)


def test_a_small_net_learns_two_bits_by_demonstration() -> None:
    """Far better than chance at what was there before, the same numbers each time."""
    settings = MetaRun("boolean-16", "lstm", 8, updates=600, batch=32, examples=24, learning_rate=0.02)
    results = run(settings, lambda _: None)
    assert results["right_again"] > 0.7 and results["errors"][63] < 0.35 < 0.45 < results["errors"][0]
    short = replace(settings, updates=3)
    assert run(short, lambda _: None)["errors"] == run(short, lambda _: None)["errors"]


@pytest.mark.parametrize(("share", "lengths"), [(0.0, [5, 5, 5, 5]), (0.25, [5, 5, 5, 64]), (1.0, [64] * 4)])
def test_the_last_updates_have_sequences_as_long_as_tests(
    share: float, lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def follow(family: FunctionFamily, batch: Any) -> Any:
        x, targets = tensors(family, batch)
        seen.append(len(x))
        return x, targets

    monkeypatch.setattr(meta_learning, "tensors", follow)
    train(MetaRun("boolean-4", "lstm", 2, updates=4, batch=2, examples=5, long_share=share), lambda _: None)
    assert seen == lengths
    with pytest.raises(ValueError, match=r"long_share must be a number in \[0, 1\], got 1.5"):
        check(MetaRun(long_share=1.5))


def test_tables_and_pictures_of_shrunken_runs(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert main(["reproduce", "meta-learning", "--rows", "quadratic: Elman", "--set", "updates=2", "--runs", "1"] + [
        "--no-progress", "--out", out
    ]) == 0  # fmt: skip
    assert "quadratic: Elman, 34 units, updates=2 | not learned" not in (
        text := (tmp_path / "out/table.md").read_text()
    )
    assert "| quadratic: Elman, 34 units, updates=2 | 0/1" in text and "never" in text
    assert (tmp_path / "out/error_by_example.png").stat().st_size > 10_000
    for change, said in (("family=cubic", "family must be one of"), ("units=0", "units must be an integer >= 1")):
        assert main(["reproduce", "meta-learning", "--set", change, "--out", str(tmp_path / "no")]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_rows_of_both_tables_can_be_run() -> None:
    for name in ("meta-learning", "self-reference"):
        experiment = EXPERIMENTS[name]
        for each in plan(experiment.rows, 1, 1000):
            experiment.check(each.settings)


def test_pictures_have_a_panel_for_each_family_and_noise() -> None:
    from pandas import DataFrame

    errors = np.geomspace(0.1, 0.001, 64).tolist()
    runs = [
        {"row": f"{family}: LSTM", "family": family, "noise": noise, "errors": errors, "constant errors": errors}
        for family, noise in (("quadratic", 0.0), ("quadratic", 0.02), ("semi-linear", 0.0))
    ]
    titles = [panel.get_title() for panel in error_curves(DataFrame(runs))["error_by_example"].axes]
    assert titles == ["quadratic", "quadratic, noise 0.02", "semi-linear"]
