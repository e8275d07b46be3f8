lstm-rl: diagnose needs a run of the algorithm advantage, got /tmp/ut/runs/CartPole-v0_recurrent-dqn_seed=0, a RecurrentDQN
