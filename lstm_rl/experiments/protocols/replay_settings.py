"""Settings of replay learners by kind of task, as `ReplayRun.settings`; chosen on seeds below 1000.

Of a name that comes twice the last value counts.
"""

ZERO = "burn_in=0 state=zero"
WHOLE = f"{ZERO} sequence_length={{0}} period={{0}}"  # episodes of one length, each a sequence
MAZE = f"{WHOLE} n_steps=5 previous_action=True reward_scale=10 target_update_interval=1000"
MAZE += " prioritized=True exploration_fraction=0.05 exploration_final_eps={1}"
LOOK_ROUND = "exploration_visits=10"
"""What has been seen ten times is explored half the time: the junction, but not the corridor."""
LOOK_FIRST = f"{LOOK_ROUND} exploring_starts=1 exploration_final_eps=0.002 n_steps=20"
"""Every episode's first action is random, and hardly one after it, so that what it leads to is seen."""
WIDE = "n_envs=64 train_freq=8 batch_size=16 buffer_size=400_000"
MAZES = {  # maze: steps at most, settings
    "Passive corridor_length=50": (300_000, f"{MAZE.format(51, 1 / 50)} n_envs=32 train_freq=1"),
    "Passive corridor_length=100": (500_000, f"{MAZE.format(101, 1 / 100)} n_envs=32 train_freq=2 {LOOK_ROUND}"),
    "Passive corridor_length=250": (2_000_000, f"{MAZE.format(251, 1 / 250)} {WIDE} {LOOK_ROUND}"),
    "Active corridor_length=50": (300_000, f"{MAZE.format(53, 1 / 50)} n_envs=32 train_freq=1 {LOOK_FIRST}"),
    "Active corridor_length=250": (2_000_000, f"{MAZE.format(253, 1 / 250)} {WIDE} {LOOK_FIRST}"),
}
CARDS = f"{WHOLE} n_steps=1 gamma=0.5 reward_scale=20 train_freq=4 exploration_fraction=0.2"
BANDIT = f"{WHOLE.format(201)} batch_size=16 reward_scale=50 train_freq=4"  # 200 steps, and where they are cut off

STEADY = "schedule=linear averaging=300"
"""The last weights jump between policies that last for 500 steps and others; their average does not."""
BALANCE = "n_envs=8 train_freq=1 burn_in=8 sequence_length=24 period=8 horizon=8 n_steps=5 target_update_interval=80"
BALANCE += f" reward_scale=0.1 exploration_fraction=0.1 {STEADY}"
"""That the cart comes to the edge is known hundreds of steps before: values go back by n_steps with each slow copy."""
CART = "n_envs=8 train_freq=2 target_update_interval=400 exploration_fraction=0.1 n_envs=16 reward_scale=200"
"""POPGym's, whose rewards sum to 1. It says n_envs twice and means 16: the stored runs hold this very text."""

GRID = "burn_in=0 sequence_length=50 n_steps=5 reward_scale=5 train_freq=2 exploration_fraction=0.4 gamma=0.97"
GRID += f" horizon=30 {STEADY}"
LONG_GRID = f"n_envs=16 reward_scale=auto {STEADY} burn_in=8 sequence_length=48 period=20 horizon=40"
LONG_GRID += " n_steps=10 lambda_=0.8 target_update_interval=160 exploration_fraction=0.25 exploration_final_eps=0.3"
LONG_GRID += " exploration_spread=3.0 train_freq=1 buffer_size=200000 gamma=0.98"
"""As the default of the command line without its search for something to learn, longer sequences and exploration."""
GRIDS = {7: (200_000, GRID), 11: (400_000, LONG_GRID), 13: (1_000_000, LONG_GRID)}  # size: steps at most, settings

ARM = "n_envs=4 train_freq=1 gradient_steps=2 n_steps=3 reward_scale=0.1 gamma=0.98 tau=0.01 learning_starts=800"
SWING_SEEN = f"{ARM} {ZERO} sequence_length=12 period=6"
SWING = f"{ARM} burn_in=4 sequence_length=20 period=8 horizon=4 {STEADY}"
"""A velocity is the difference of two observations: memories begin with 1 to 4 steps."""
BODY = f"{SWING} gamma=0.99 gradient_steps=1 learning_starts=3000 horizon=8"
