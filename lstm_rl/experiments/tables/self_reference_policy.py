"""Networks that change their own weights, as policies: within an episode they find out what pays."""

from dataclasses import replace

from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.meta_score import policy_score
from lstm_rl.experiments.protocols import self_referential_policy
from lstm_rl.experiments.protocols.self_referential_policy import EPISODES, FIXED, TRIALS, PolicyRun

PROTOCOL = f"""\
*Whole trials*: proximal policy optimisation (`trial_ppo`), a million steps of the bandit; {TRIALS:,} fresh trials whose
actions are drawn from the policy. *Step by step*: Advantage learning with networks in Torch (`TorchPolicy`), 5,000
steps (introspective, whose steps take longest: 1,000), all else the default; {EPISODES} fresh greedy episodes. Such
small runs show that the network is a policy like any other, not how far it gets. Return: mean after training, before
it in the next column. Self-referential networks have nothing but changes of their own weights, and the input of the
step before, to remember an episode by; fixed: with the latter alone."""
STEPWISE = "self-referential", "introspective", "gru"
STEPS = {"introspective": 1_000}
WHOLE = PolicyRun(units=16, heads=2, max_steps=1_000_000, learner="ppo")
ROWS = (
    *(
        Row(f"TwoArmedBandit: {network}, whole trials", replace(WHOLE, network=network), repeats=repeats)
        for network, repeats in (("self-referential", 3), (FIXED, 1), ("gru", 1))
    ),
    *(
        Row(f"{env}: {network}", PolicyRun(env, network, max_steps=STEPS.get(network, 5_000)))
        for env, networks in (("TwoArmedBandit", STEPWISE), ("DarkRoom", STEPWISE[::2]))
        for network in networks
    ),
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
