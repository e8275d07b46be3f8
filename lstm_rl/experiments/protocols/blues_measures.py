"""What a network that plays the blues plays: how long its chords are right, and how its melodies differ from the score.

Dimensions: C choruses, B bars of one, S steps of one, K units, M notes of a melody.
"""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.tasks.blues import Blues
from lstm_rl.tasks.blues_score import STEPS
from lstm_rl.tasks.composing import play

PLAYS = 40  # from rest, each of all choruses, for the test of drift
PERMUTATIONS = 999


def measure(player: Any, task: Blues, seed: int, choruses: int, drift: bool = True) -> dict[str, Any]:
    """Let a network play from rest.

    Args:
        player: An approximator.
        task: Its pieces.
        seed: Of the choice of notes.
        choruses: C >= 2, how many.
        drift: Compare the first chorus with the last one, which takes 40 times as long.

    Returns:
        success, whether all C choruses have their chords; right: choruses before the first wrong chord; with a melody
        also the results of `melody_figures` and, with all chords right, drift: the p-value of `drift_test`.
    """
    length = task.max_length
    piece, done, _ = play(player, task, choruses * length, [seed, 0], None if task.melody else length, stop=True)
    results: dict[str, Any] = {"success": done == choruses * length, "right": done // length}
    if task.melody:
        results |= melody_figures(piece[: done - done % length], task) if done >= length else {}
        if drift and results["success"]:
            first, last = [], []
            for number in range(PLAYS):
                of_play = [seed, 1, number]  # the same random numbers in both
                first.append(play(player, task, length, of_play)[0][:, task.judged :])
                last.append(play(player, task, choruses * length, of_play, length)[0][:, task.judged :])
            results["drift"] = drift_test(np.stack(first), np.stack(last), np.random.default_rng(seed))
    return results


def melody_figures(piece: NDArray[Any], task: Blues) -> dict[str, float]:
    """Figures of whole choruses (C S, K).

    Returns:
        in_scale: share of sounding eighths whose note occurs in the score; new_bars: share of bars that are in no bar
        of the score; new_here: that are none of the same bar's alternatives; entropy of bars: bits, given their place
        in the chorus, mean over these (the score: 1); repeats: share of choruses whose melody was played before.
    """
    melodies = piece[:, task.judged :].reshape(-1, len(task.score.bars), STEPS, piece.shape[1] - task.judged)
    score = task.score.bars[..., task.judged :].astype(np.uint8)  # (B, A, 8, M)
    known = [{alternative.tobytes() for alternative in bar} for bar in score]
    anywhere = set().union(*known)
    bars = [[bar.tobytes() for bar in chorus] for chorus in melodies.astype(np.uint8)]  # (C, B)
    flat = [(at, bar) for chorus in bars for at, bar in enumerate(chorus)]
    allowed = score.any((0, 1, 2))
    seen: set[bytes] = set()
    repeats = 0
    for chorus in bars:
        whole = b"".join(chorus)
        repeats += whole in seen
        seen.add(whole)
    return {
        "in_scale": float(melodies[..., allowed].sum() / max(melodies.sum(), 1)),
        "new_bars": float(np.mean([bar not in anywhere for _, bar in flat])),
        "new_here": float(np.mean([bar not in known[at] for at, bar in flat])),
        "entropy": float(np.mean([entropy([chorus[at] for chorus in bars]) for at in range(len(known))])),
        "repeats": repeats / len(bars),
    }


def entropy(values: list[bytes]) -> float:
    """Bits of the values' own distribution."""
    shares = np.array(list(Counter(values).values())) / len(values)
    return float(-(shares * np.log2(shares)).sum() + 0.0)


def drift_test(first: NDArray[Any], last: NDArray[Any], rng: np.random.Generator) -> float:
    """Probability of so different notes in first and last choruses if there is no difference: a permutation test.

    The statistic is the sum over notes of |share in the first - share in the last|. What is permuted are whole
    choruses, whose notes depend on one another.

    Args:
        first: (P, S, M), a chorus of each play.
        last: (P, S, M).
        rng: Of the permutations.
    """
    counts = np.concatenate([first.sum(1), last.sum(1)]).astype(float)  # (2 P, M)
    chosen = np.arange(len(counts)) < len(first)

    def difference(of_first: NDArray[np.bool_]) -> float:
        one, other = counts[of_first].sum(0), counts[~of_first].sum(0)
        return float(np.abs(one / max(one.sum(), 1.0) - other / max(other.sum(), 1.0)).sum())

    observed = difference(chosen)
    as_large = sum(difference(rng.permutation(chosen)) >= observed - 1e-12 for _ in range(PERMUTATIONS))
    return (1 + as_large) / (1 + PERMUTATIONS)
