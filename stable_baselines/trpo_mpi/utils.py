"""Advantages of segments, under the names of the reference."""
from typing import Any, Dict

import numpy as np

from stable_baselines.common.returns import gae


def add_vtarg_and_adv(seg: Dict[str, Any], gamma: float, lam: float) -> None:
    """
    Add advantages, ``adv``, and what the value function learns, ``tdlamret``, to a segment; see ``returns.gae``.

    :param seg: what ``common.runners.traj_segment_generator`` yields, changed in place
    :param gamma: discount factor, in [0, 1]
    :param lam: GAE's trade-off between bias and variance, in [0, 1]
    """
    rewards, values, starts = (np.reshape(seg[name], (-1, 1)) for name in ('rewards', 'vpred', 'episode_starts'))
    # where the last step ended its episode, nextvpred is 0 already
    advantages, returns = gae(rewards, values, starts, np.reshape(seg['nextvpred'], 1), np.zeros(1, bool), gamma, lam)
    seg['adv'], seg['tdlamret'] = advantages[:, 0], returns[:, 0]
