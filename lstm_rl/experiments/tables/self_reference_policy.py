"""Networks that change their own weights, as policies: within an episode they find out what pays."""

from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.meta_score import policy_score
from lstm_rl.experiments.protocols import self_referential_policy
from lstm_rl.experiments.protocols.self_referential_policy import EPISODES, NETWORKS, PolicyRun

PROTOCOL = f"""\
Advantage learning with networks in Torch (`TorchPolicy`), 5,000 steps (introspective, whose steps take longest: 1,000),
all else the default. Return: mean of {EPISODES} fresh greedy episodes after training, and before it. Self-referential
networks have nothing but changes of their own weights, and the input of the step before, to remember an episode by.
Small runs: they show that such a network is a policy like any other, not how far it gets."""
STEPS = {"introspective": 1_000}
ROWS = tuple(
    Row(f"{env}: {network}", PolicyRun(env, network, max_steps=STEPS.get(network, 5_000)))
    for env in ("TwoArmedBandit", "DarkRoom")
    for network in NETWORKS
    if (env, network) != ("DarkRoom", "introspective")
)
EXPERIMENTS = (
    Experiment(
        "self-reference-policy",
        "self-referential networks as policies: a bandit and the dark room",
        PROTOCOL,
        ROWS,
        self_referential_policy.run,
        policy_score,
        check=self_referential_policy.check,
        runs=1,
    ),
)
