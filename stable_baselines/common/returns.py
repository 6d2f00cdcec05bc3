"""Returns and advantages from time-major arrays of shape (n_steps, n_envs)."""
from typing import Sequence, Tuple, Union

import numpy as np


def gae(rewards: np.ndarray, values: np.ndarray, episode_starts: np.ndarray, last_values: np.ndarray,
        last_dones: np.ndarray, gamma: float, lam: float) -> Tuple[np.ndarray, np.ndarray]:
    r"""
    Estimate advantages with GAE(lambda), https://arxiv.org/abs/1506.02438.

    .. math:: \delta_t = r_t + \gamma V_{t+1} - V_t, \qquad A_t = \delta_t + \gamma \lambda A_{t+1}

    where nothing is carried over from a step that begins a new episode.

    :param rewards: shape (n_steps, n_envs)
    :param values: values of the observations acted on, shape (n_steps, n_envs)
    :param episode_starts: whether that observation begins an episode, shape (n_steps, n_envs)
    :param last_values: values of the observations after the last step, shape (n_envs,)
    :param last_dones: whether the last step ended its episode, shape (n_envs,)
    :param gamma: discount factor, in [0, 1]
    :param lam: weight of longer returns: 0 trusts the value function (one step), 1 the rewards alone
    :return: advantages and returns (advantages + values), both (n_steps, n_envs) float32
    """
    rewards, values = np.asarray(rewards, np.float32), np.asarray(values, np.float32)
    next_values = np.concatenate([values[1:], np.asarray(last_values, np.float32)[None]])
    next_starts = np.concatenate([episode_starts[1:], np.asarray(last_dones)[None]])
    next_nonterminal = np.float32(1.0) - next_starts.astype(np.float32)
    deltas = rewards + np.float32(gamma) * next_values * next_nonterminal - values
    decays = np.float32(gamma * lam) * next_nonterminal
    advantages = _accumulate(deltas, decays)
    return advantages, advantages + values


def _accumulate(terms: np.ndarray, decays: np.ndarray) -> np.ndarray:
    """Compute x_t = terms_t + decays_t * x_{t+1} from the last step back, with 0 after it."""
    if terms.ndim == 2 and terms.shape[1] == 1:  # numbers are faster than arrays of one
        return _accumulate(terms[:, 0], decays[:, 0])[:, None]
    totals = np.empty_like(terms)
    running = terms.dtype.type(0)
    for step in reversed(range(len(terms))):
        totals[step] = running = terms[step] + decays[step] * running
    return totals


def discount_with_dones(rewards: Union[np.ndarray, Sequence[float]], dones: Union[np.ndarray, Sequence[bool]],
                        gamma: float) -> np.ndarray:
    """
    Compute discounted returns that restart after every done: R_t = r_t + gamma * (1 - done_t) * R_{t+1}.

    :param rewards: rewards, time along the first axis: (n_steps,) or (n_steps, n_envs)
    :param dones: whether the step ended its episode, same shape
    :param gamma: discount factor, in [0, 1]
    :return: discounted returns, same shape, float64
    """
    return _accumulate(np.asarray(rewards, np.float64), gamma * (1. - np.asarray(dones, np.float64)))


def n_step_returns(rewards: np.ndarray, episode_starts: np.ndarray, last_values: np.ndarray, last_dones: np.ndarray,
                   gamma: float) -> np.ndarray:
    r"""
    Discount rewards up to the end of the episode; where the data ends first, add the value of what follows.

    .. math:: R_t = r_t + \gamma R_{t+1}, \qquad R_{n\_steps} = V_{last}

    where nothing is carried over from a step that begins a new episode (https://arxiv.org/abs/1602.01783, appendix).

    :return: returns, (n_steps, n_envs) float32; parameters as for ``gae``
    """
    dones = np.concatenate([episode_starts[1:], [last_dones], np.zeros_like([last_dones])])
    return discount_with_dones(np.concatenate([rewards, [last_values]]), dones, gamma)[:-1].astype(np.float32)


def standardise(advantages: np.ndarray, epsilon: float = 1e-8) -> np.ndarray:
    """
    Shift to mean 0 and scale to standard deviation 1.

    :param advantages: any shape
    :param epsilon: keeps the division finite when all values are equal
    """
    deviations = advantages - advantages.mean()
    return deviations / (np.sqrt(np.square(deviations).mean()) + epsilon)  # std() would subtract the mean again


# its public path, which pickles name
discount_with_dones.__module__ = 'stable_baselines.a2c.a2c'
