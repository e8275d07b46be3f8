"""`lstm-rl tune`: an Optuna study of an environment's settings.

task      what a trial does: learn with some settings, seed after seed, and score the evaluations
storage   where a study is kept: opening it, refusing what is no such study
study     the loop over trials, in one process or several
report    what came of it: a table and a picture
"""

from typing import Literal

Objective = Literal["return", "steps-to-solve"]
Sampler = Literal["tpe", "random", "cmaes", "gp"]
Pruner = Literal["median", "hyperband", "none"]
