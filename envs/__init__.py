"""Environments that need memory, registered with Gymnasium on import.

``gymnasium.make("lstm_rl/NoisyTMaze-v0", corridor_length=70)`` makes the scalar face, ``gymnasium.make_vec`` the vector
face; ``WORLDS`` is the one list of what there is.
"""

import gymnasium as gym

WORLDS = {
    "lstm_rl/TMaze-v0": ("lstm_rl.envs.tmaze:tmaze", "a cue at the start says which way to turn at the end"),
    "lstm_rl/NoisyTMaze-v0": ("lstm_rl.envs.tmaze:noisy_tmaze", "the T-maze with a corridor full of noise"),
    "lstm_rl/MultimodePole-v0": (
        "lstm_rl.envs.multimode_pole:multimode_pole",
        "a pole without velocities whose actions swap meaning; the mode is shown for one second",
    ),
    # Recall and cards
    "lstm_rl/MemoryChain-v0": (
        "lstm_rl.envs.memory_chain:memory_chain",
        "bsuite: the first observation shows bits; at the end one of them is asked for",
    ),
    "lstm_rl/NiTMazePassive-v0": (
        "lstm_rl.envs.ni_tmaze:ni_tmaze_passive",
        "a T-maze with as many steps as the shortest way takes",
    ),
    "lstm_rl/NiTMazeActive-v0": (
        "lstm_rl.envs.ni_tmaze:ni_tmaze_active",
        "the same with the cue one step behind the start",
    ),
    "lstm_rl/RepeatFirst-v0": (
        "lstm_rl.envs.repeat_first:repeat_first",
        "POPGym: name the suit of the first card at every step",
    ),
    "lstm_rl/RepeatPrevious-v0": (
        "lstm_rl.envs.repeat_previous:repeat_previous",
        "POPGym: name the suit of the card of some steps ago",
    ),
    "lstm_rl/CountRecall-v0": (
        "lstm_rl.envs.count_recall:count_recall",
        "POPGym: how many cards of this kind have been shown so far?",
    ),
    "lstm_rl/Autoencode-v0": (
        "lstm_rl.envs.autoencode:autoencode",
        "POPGym: watch all cards, then name their suits in reverse order",
    ),
    "lstm_rl/HigherLower-v0": (
        "lstm_rl.envs.higher_lower:higher_lower",
        "POPGym: is the next card higher or lower? Count cards to know better",
    ),
    "lstm_rl/Concentration-v0": (
        "lstm_rl.envs.concentration:concentration",
        "POPGym: the game of pairs",
    ),
    "lstm_rl/CartPole-v0": ("lstm_rl.envs.cart_pole:cart_pole", "Gymnasium's cart pole without velocities"),
    "lstm_rl/PositionOnlyCartPole-v0": (
        "lstm_rl.envs.cart_pole:position_only_cart_pole",
        "POPGym's cart pole without velocities: easy, medium, hard",
    ),
    "lstm_rl/VelocityOnlyCartPole-v0": (
        "lstm_rl.envs.cart_pole:velocity_only_cart_pole",
        "POPGym's cart pole without positions: easy, medium, hard",
    ),
    "lstm_rl/NoisyPositionOnlyCartPole-v0": (
        "lstm_rl.envs.cart_pole:noisy_position_only_cart_pole",
        "POPGym's cart pole without velocities and with noise: easy, medium, hard",
    ),
    "lstm_rl/MultiarmedBandit-v0": (
        "lstm_rl.envs.bandits:multiarmed_bandit",
        "POPGym's bandit: 10, 20 or 30 arms, 200, 400 or 600 pulls",
    ),
    "lstm_rl/TwoArmedBandit-v0": (
        "lstm_rl.envs.bandits:two_armed_bandit",
        "two arms that pay with p and 1 - p, 100 pulls, after Wang et al. (2016)",
    ),
    "lstm_rl/BernoulliBandit-v0": (
        "lstm_rl.envs.bandits:bernoulli_bandit",
        "k arms, n pulls, after Duan et al. (2016): learn within a trial which arm pays",
    ),
    "lstm_rl/TabularMDP-v0": (
        "lstm_rl.envs.tabular_mdp:tabular_mdp",
        "episodes in a random Markov decision process, after Duan et al. (2016): find out what it is like",
    ),
    "lstm_rl/MountainCar-v0": ("lstm_rl.envs.mountain_car:mountain_car", "Gymnasium's mountain car without velocity"),
    "lstm_rl/Acrobot-v0": ("lstm_rl.envs.acrobot:acrobot", "Gymnasium's acrobot without velocities"),
    "lstm_rl/FlipFlop-v0": ("lstm_rl.envs.flip_flop:flip_flop", "output 1 after B until the next A; X distracts"),
    "lstm_rl/ForcePole-v0": (
        "lstm_rl.envs.force_pole:force_pole",
        "a pole without velocities, by a force of any size",
    ),
    "lstm_rl/MultimodeForcePole-v0": (
        "lstm_rl.envs.force_pole:multimode_force_pole",
        "the multi-mode pole by a force of any size",
    ),
    "lstm_rl/CodedTMaze-v0": ("lstm_rl.envs.coded_tmaze:coded_tmaze", "the T-maze, a move is eight numbers"),
    "lstm_rl/CueMaze-v0": ("lstm_rl.envs.cue_maze:cue_maze", "four wall sensors, and a cue at the start"),
    "lstm_rl/DarkRoom-v0": ("lstm_rl.envs.dark_room:dark_room", "find a hidden goal, then go back to it ten times"),
    "lstm_rl/RobotTMazeTwin-v0": (
        "lstm_rl.envs.robot:robot_tmaze",
        "a robot with infrared sensors in a T; a lamp says which way to turn (compiled twin)",
    ),
    "lstm_rl/RobotTMazeEvents-v0": (
        "lstm_rl.envs.robot:robot_tmaze_events",
        "the same, but the robot sees events that ARAVQ finds in its sensors",
    ),
    "lstm_rl/DarkKeyToDoor-v0": (
        "lstm_rl.envs.key_to_door:key_to_door",
        "find a hidden key, then a hidden door, and go straight to both in the next episodes",
    ),
}
"""Environment id -> (function that returns its `World`, one line about it)."""

SEQUENCES = "lstm_rl/Sequence-v0"
"""The sequence tasks as environments; not a `World`, and without a vector face of its own."""
ROBOT = "lstm_rl/RobotTMaze-v0"
"""The robot in MuJoCo (extra ``robot``), whose twins are among `WORLDS`."""
OTHERS = {
    SEQUENCES: ("lstm_rl.tasks.env:SequenceEnv", "a classical sequence task, a question at a time"),
    ROBOT: ("lstm_rl.envs.robot_mujoco:make_robot", "the robot in MuJoCo, by steps or by events"),
}
"""Environments that are no `World`: id -> (entry point, one line about it)."""

for _id, (_entry, _) in OTHERS.items():
    if _id not in gym.registry:
        gym.register(_id, entry_point=_entry)
for _id, (_world, _) in WORLDS.items():
    if _id not in gym.registry:
        gym.register(
            _id,
            entry_point="lstm_rl.envs.env:make_env",
            vector_entry_point="lstm_rl.envs.vector:make_vector_env",
            kwargs={"world": _world},
        )
