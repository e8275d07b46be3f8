"""The cart and pole of Barto, Sutton and Anderson (1983), written once for every world that balances it.

Without friction, explicit Euler on the old state, with M = m_c + m_p (the equations and, by default, the constants of
Gymnasium's CartPole):

    q = (F + m_p l thdot^2 sin th) / M,
    thacc = (g sin th - q cos th) / (l (4/3 - m_p cos^2 th / M)),
    xacc = q - m_p l thacc cos th / M.

A world that uses it begins its state with X .. THETA_DOT (m, m/s, rad, rad/s) and its constants with GRAVITY .. MAX_X.
"""

import math
from typing import Any

from lstm_rl.compiled import kernel

X, X_DOT, THETA, THETA_DOT = range(4)  # the first numbers of the state
GRAVITY, CART, POLE, HALF, FORCE, TAU, MAX_ANGLE, MAX_X = range(8)  # the first constants


@kernel
def push_cart(params: Any, direction: float, state: Any) -> bool:
    """One Euler step in place under a push by ``direction`` = +1 (right) or -1 (left) times FORCE.

    Returns:
        Whether the pole has left +-MAX_ANGLE or the cart +-MAX_X.
    """
    total, moment = params[CART] + params[POLE], params[POLE] * params[HALF]
    sin, cos = math.sin(state[THETA]), math.cos(state[THETA])
    q = (params[FORCE] * direction + moment * state[THETA_DOT] * state[THETA_DOT] * sin) / total
    theta_acc = (params[GRAVITY] * sin - q * cos) / (params[HALF] * (4.0 / 3.0 - params[POLE] * cos * cos / total))
    x_acc = q - moment * theta_acc * cos / total
    state[X] += params[TAU] * state[X_DOT]
    state[X_DOT] += params[TAU] * x_acc
    state[THETA] += params[TAU] * state[THETA_DOT]
    state[THETA_DOT] += params[TAU] * theta_acc
    failed: bool = abs(state[THETA]) > params[MAX_ANGLE] or abs(state[X]) > params[MAX_X]
    return failed
