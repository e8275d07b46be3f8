"""Our card tasks are those of popgym: the same cards and actions give the same observations, rewards and ends."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from lstm_rl.envs.env import WorldEnv

popgym = pytest.importorskip("popgym", reason="popgym is not installed: pip install lstm-rl[memory]")

TASKS = ("RepeatFirst", "RepeatPrevious", "CountRecall", "Autoencode", "HigherLower", "Concentration")
EPISODES = 4
Kinds = list[NDArray[np.int64]]


class Dealer:
    """In place of a generator: the uniform numbers with which the card tasks draw the cards that are wanted."""

    def __init__(self, kinds: int, stacks: int, of_a_kind: int) -> None:
        self.left = np.full((stacks, kinds), of_a_kind)
        self.wanted: list[int | None] = [None] * stacks  # the kind to draw next from each stack

    def random(self, size: int) -> NDArray[np.float64]:
        noise = np.full(size, 0.5)
        for stack, kind in enumerate(self.wanted):
            if kind is not None:
                left = self.left[stack]
                noise[stack] = (left[:kind].sum() + 0.5) / left.sum()
                left[kind] -= 1
        return noise


def hidden(task: str, theirs: Any) -> Kinds:
    """The kinds of the cards of each stack of theirs, in the order of dealing; for Concentration by place."""
    if task == "CountRecall":
        return [theirs.deck_idx_type[deck.idx[::-1]] for deck in (theirs.value_deck, theirs.query_deck)]
    if task == "Concentration":
        return [theirs.deck_idx_type[theirs.deck.idx]]
    kinds = theirs.deck.ranks_idx if task == "HigherLower" else theirs.deck.suits_idx
    return [kinds[theirs.deck.idx[::-1]]]


def one_hot(space: gym.Space[Any], observation: Any) -> NDArray[np.float32]:
    """Their observation as ours: components in order, one-hot each."""
    parts = space.spaces if isinstance(space, gym.spaces.Tuple) else [space]
    sizes = np.concatenate([np.atleast_1d(getattr(part, "nvec", getattr(part, "n", 0))) for part in parts])
    values = np.concatenate([np.atleast_1d(each) for each in (observation if len(parts) > 1 else [observation])])
    return np.concatenate([np.eye(int(n), dtype=np.float32)[int(v)] for n, v in zip(sizes, values, strict=True)])


def actions(task: str, theirs: Any, rng: np.random.Generator) -> Iterator[int]:
    """Random actions; for the pairs often a good one, so that cards are matched."""
    n = int(theirs.action_space.n)
    while True:
        if task == "Concentration" and rng.random() < 0.9:
            kinds, up = hidden(task, theirs)[0], set(theirs.deck["face_up_idx"])
            waiting = theirs.deck["in_play_idx"]
            if waiting and rng.random() < 0.05:  # the same card twice
                yield int(waiting[0])
                continue
            down = [place for place in range(n) if place not in up and place not in waiting]
            if waiting and rng.random() < 0.95:
                down = [place for place in down if kinds[place] == kinds[waiting[0]]] or down
            yield int(rng.choice(down or [0]))
        else:
            yield int(rng.integers(n))


@pytest.mark.parametrize("level", ["Easy", "Medium", "Hard"])
@pytest.mark.parametrize("task", TASKS)
def test_episodes_are_those_of_popgym(task: str, level: str) -> None:
    theirs = gym.make(f"popgym-{task}{level}-v0", disable_env_checker=True).unwrapped
    ours = gym.make(f"lstm_rl/{task}-v0", difficulty=level.lower(), disable_env_checker=True).unwrapped
    assert isinstance(ours, WorldEnv) and ours.action_space == theirs.action_space
    rng, ends, successes, rewards = np.random.default_rng(0), [0, 0], 0, set()
    for episode in range(EPISODES):
        expected, _ = theirs.reset(seed=episode)
        cards = hidden(task, theirs)
        dealer = Dealer(int(max(map(max, cards))) + 1, len(cards), int(np.bincount(cards[0])[0]))
        ours.np_random = dealer  # type: ignore[assignment]
        by_place, t, over = task == "Concentration", 0, False
        if not by_place:
            dealer.wanted = [int(stack[0]) for stack in cards]
        observation, info = ours.reset()
        for action in actions(task, theirs, rng):
            assert observation.dtype == np.float32
            np.testing.assert_array_equal(observation, one_hot(theirs.observation_space, expected))
            if over:
                break
            t += 1
            if by_place:
                unseen = info["state"][ours.world.state_names.index(f"card_{action}")] < 0
                dealer.wanted = [int(cards[0][action]) if unseen else None]
            else:
                dealer.wanted = [int(stack[t]) if t < len(stack) else None for stack in cards]
            expected, reward, terminated, truncated, _ = theirs.step(action)
            observation, own_reward, own_end, own_cut, info = ours.step(np.int64(action))
            assert (own_reward, own_end) == (reward, terminated)
            assert own_cut == (truncated and not terminated)  # popgym reports a game won at its last step as both
            over = bool(terminated or truncated)
            ends[0] += terminated
            ends[1] += truncated
            rewards.add(own_reward)
        successes += info["is_success"]
    assert sum(ends) >= EPISODES and len(rewards) > 1
    if by_place:
        assert ends[0] > 0 and successes == ends[0] and len(rewards) == 4
