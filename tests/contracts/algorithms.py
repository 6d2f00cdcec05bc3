"""The list of algorithms: one entry here brings the tests that every algorithm must pass."""
from typing import Any, Dict, NamedTuple, Optional, Set, Tuple

import pytest

from stable_baselines import A2C, ACER, ACKTR, PPO2
from stable_baselines.bench import Monitor
from stable_baselines.common import gym_compat
from stable_baselines.common.vec_env import DummyVecEnv

ACTOR_CRITIC_ARGUMENTS = dict(verbose=1, seed=7, n_cpu_tf_sess=1, policy_kwargs=dict(net_arch=[8]),
                              full_tensorboard_log=True)
ALL_ACTIONS = ("Discrete", "MultiDiscrete", "MultiBinary", "Box")
ALL_POLICIES = ("MlpPolicy", "MlpLstmPolicy", "MlpLnLstmPolicy", "CnnPolicy", "CnnLstmPolicy", "CnnLnLstmPolicy")


class Algorithm(NamedTuple):
    """What the contracts have to know about an algorithm."""

    model_class: type
    kwargs: Dict[str, Any]  # a small, quick configuration
    steps: int  # a training of two updates or more: a whole number of rollouts of ``n_envs`` environments
    changed: Dict[str, Any]  # a value for every constructor argument that is not the default
    report: Set[str]  # columns of progress.csv, with a Monitor
    reported: Dict[str, list]  # some of these columns, after five updates of 100 steps with log_interval=2
    untrained: str  # part of the names of the variables that no loss depends on
    env_id: str = "CartPole-v1"
    n_envs: int = 2
    action_spaces: Tuple[str, ...] = ALL_ACTIONS
    policies: Tuple[str, ...] = ALL_POLICIES
    schedule_lag: Optional[int] = None  # samples by which lr_schedule lags behind; None without lr_schedule
    threads_argument: Optional[str] = None  # the deprecated name of n_cpu_tf_sess


ALGORITHMS = [
    Algorithm(
        ACER, dict(n_steps=4, buffer_size=100, replay_start=8), steps=32, action_spaces=("Discrete",), untrained="/vf/",
        schedule_lag=0, threads_argument="num_procs",
        changed=dict(gamma=.9, n_steps=4, num_procs=2, q_coef=.4, ent_coef=.02, max_grad_norm=.3, learning_rate=1e-3,
                     lr_schedule="constant", rprop_alpha=.9, rprop_epsilon=1e-3, buffer_size=40, replay_ratio=2,
                     replay_start=8, correction_term=5., trust_region=False, alpha=.9, delta=.5,
                     **dict(ACTOR_CRITIC_ARGUMENTS, n_cpu_tf_sess=2)),
        report={"avg_norm_adj", "avg_norm_g", "avg_norm_grads_f", "avg_norm_k", "avg_norm_k_dot_g", "entropy",
                "explained_variance", "fps", "loss", "loss_bc", "loss_f", "loss_policy", "loss_q",
                "mean_episode_length", "mean_episode_reward", "norm_grads", "norm_grads_policy", "norm_grads_q",
                "total_timesteps"},
        reported=dict(total_timesteps=[100, 300, 500])),
    Algorithm(
        A2C, dict(n_steps=4), steps=32, untrained="/q/", schedule_lag=1,
        changed=dict(gamma=.9, n_steps=4, vf_coef=.4, ent_coef=.02, max_grad_norm=.3, learning_rate=1e-3, alpha=.9,
                     momentum=.1, epsilon=1e-3, lr_schedule="linear", **ACTOR_CRITIC_ARGUMENTS),
        report={"explained_variance", "fps", "nupdates", "policy_entropy", "total_timesteps", "value_loss",
                "ep_len_mean", "ep_reward_mean"},
        reported=dict(nupdates=[1, 2, 4], total_timesteps=[100, 200, 400])),
    Algorithm(
        ACKTR, dict(n_steps=4, learning_rate=.01), steps=96,  # the twelfth update is a natural-gradient one
        untrained="/q/", schedule_lag=1, threads_argument="nprocs",
        changed=dict(gamma=.9, nprocs=2, n_steps=4, ent_coef=.02, vf_coef=.4, vf_fisher_coef=.5, learning_rate=.1,
                     max_grad_norm=.3, kfac_clip=.002, lr_schedule="constant", async_eigen_decomp=True, kfac_update=2,
                     gae_lambda=.9, **dict(ACTOR_CRITIC_ARGUMENTS, n_cpu_tf_sess=2)),
        report={"explained_variance", "fps", "nupdates", "policy_entropy", "policy_loss", "total_timesteps",
                "value_loss", "ep_len_mean", "ep_reward_mean"},
        reported=dict(nupdates=[1, 2, 4], total_timesteps=[100, 200, 400])),
    Algorithm(
        PPO2, dict(n_steps=4, nminibatches=2, noptepochs=2), steps=32, untrained="/q/",
        changed=dict(gamma=.9, n_steps=16, ent_coef=.02, learning_rate=1e-3, vf_coef=.4, max_grad_norm=.3, lam=.8,
                     nminibatches=2, noptepochs=3, cliprange=.1, cliprange_vf=.3, **ACTOR_CRITIC_ARGUMENTS),
        report={"approxkl", "clipfrac", "ep_len_mean", "ep_reward_mean", "explained_variance", "fps", "n_updates",
                "policy_entropy", "policy_loss", "serial_timesteps", "time_elapsed", "total_timesteps", "value_loss"},
        reported=dict(n_updates=[1, 2, 4], total_timesteps=[100, 200, 400], serial_timesteps=[50, 100, 200])),
]


def each(field, *wanted):
    """
    Return the parameters of a test for every algorithm and value of a field, such as ``policies``.

    :param wanted: the values that count; by default all
    """
    return [pytest.param(algorithm, value, id=f"{algorithm.model_class.__name__}-{value}")
            for algorithm in ALGORITHMS for value in getattr(algorithm, field) if value in (wanted or [value])]


def make_vec(algorithm, n_envs=None):
    """Return environments of an algorithm, each with a Monitor."""
    return DummyVecEnv([lambda: Monitor(gym_compat.make(algorithm.env_id), None)] * (n_envs or algorithm.n_envs))


def build(algorithm, policy="MlpPolicy", env=None, **kwargs):
    """Build a small model with a seed, by default of CartPoles."""
    arguments = dict(dict(seed=0, n_cpu_tf_sess=1), **algorithm.kwargs)
    if "Lstm" in policy:
        arguments.update(policy_kwargs=dict(n_lstm=4), n_steps=2)  # a graph with few copies of the cell
    return algorithm.model_class(policy, env or make_vec(algorithm), **dict(arguments, **kwargs))
