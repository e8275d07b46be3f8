"""The default settings.

`Config()` is for every environment with discrete actions, except the T-mazes and the multi-mode pole, whose settings
are older and faster there: docs/default-agent.md tells what that gives up. `ACTOR_CRITIC` is for continuous
actions (Box) and for ``rule="actor_critic"``; it was found on Pendulum-v1, see docs/actor-critic.md.
"""

from dataclasses import replace

from lstm_rl.agents.config import Config, Rule

TMAZE = Config(
    learning_rate_scale=0.06,
    lambda_=0.4,
    kappa=0.1,
    cut_traces=True,
    return_size=0.0,
    error_memory=0,
    rms_epsilon=1e-8,
    epsilon=None,
    least_share=1.0,
    network="lstm",
    cells=8,
    input_range=0.3,
)
POLE = replace(
    TMAZE,
    learning_rate=3e-4,
    schedule="linear",
    gamma=0.99,
    lambda_=0.8,
    rms_decay=0.9999,
    rms_memory=0,
    averaging=0.0,
    rms_initial=0.1,
    exploration="epsilon",
    epsilon=0.2,
    hidden=12,
    cells=16,
    recurrent=True,
    cell_bias=True,
    forget_range=None,
    bias_range=0.5,
    input_gate_bias=-2.0,
    forget_gate_bias=8.0,
    spread_forget_gates=True,
)
ACTOR_CRITIC = Config(
    rule="actor_critic",
    learning_rate_scale=0.005,
    gamma=0.95,
    lambda_=0.8,
    rms_epsilon=1e-8,
    rms_memory=0,
    error_memory=0,  # a policy that is random never stops making errors
    readout=32,
    input_range=1.0,  # a velocity is a small difference of positions
)
_FAMILIES = {"tmaze": TMAZE, "pole": POLE}


def default_config(family: str | None, rule: Rule | None = None, continuous: bool = False) -> Config:
    """The settings for an environment.

    Args:
        family: `lstm_rl.envs.dynamics.World.family`; ``None``: any environment.
        rule: What somebody asked for; ``None``: as `Config.rule`.
        continuous: Whether actions are continuous (Box).
    """
    if rule == "actor_critic" or (rule is None and continuous):
        return ACTOR_CRITIC
    return _FAMILIES.get(family or "", Config())
