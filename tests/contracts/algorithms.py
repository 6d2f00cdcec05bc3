"""The list of algorithms: one entry here brings the tests that every algorithm must pass."""
import copy
from typing import Any, Callable, Dict, NamedTuple, Optional, Set, Tuple

import numpy as np
import pytest

from stable_baselines import A2C, ACER, ACKTR, DDPG, DQN, GAIL, PPO1, PPO2, SAC, TD3, TRPO
from stable_baselines.bench import Monitor
from stable_baselines.common import gym_compat
from stable_baselines.common.buffers import ReplayBuffer
from stable_baselines.common.gym_compat.libraries import LIBRARY
from stable_baselines.common.noise import AdaptiveParamNoiseSpec, NormalActionNoise
from stable_baselines.common.vec_env import DummyVecEnv
from stable_baselines.gail import ExpertDataset

ACTOR_CRITIC_ARGUMENTS = dict(verbose=1, seed=7, n_cpu_tf_sess=1, policy_kwargs=dict(net_arch=[8]),
                              full_tensorboard_log=True)
OFF_POLICY_ARGUMENTS = dict(ACTOR_CRITIC_ARGUMENTS, policy_kwargs=dict(layers=[8]))
OFF_POLICY_POLICIES = ("MlpPolicy", "LnMlpPolicy", "CnnPolicy", "LnCnnPolicy")
ALL_ACTIONS = ("Discrete", "MultiDiscrete", "MultiBinary", "Box")
ALL_POLICIES = ("MlpPolicy", "MlpLstmPolicy", "MlpLnLstmPolicy", "CnnPolicy", "CnnLstmPolicy", "CnnLnLstmPolicy")

# a continuous task with short episodes
LIBRARY.envs.registration.register(id="ShortPendulum-v0", max_episode_steps=10,
                                   entry_point=f"{LIBRARY.__name__}.envs.classic_control:PendulumEnv")


def make_expert(env, n_steps=40):
    """Return an expert who acts at random on random observations, in episodes of ten steps."""
    spaces = copy.deepcopy([env.observation_space, env.action_space])
    for space in spaces:
        space.seed(0)
    obs, actions = [np.array([space.sample() for _ in range(n_steps)]).reshape((n_steps,) + (space.shape or (1,)))
                    for space in spaces]
    if obs.dtype.kind == "f":  # a CartPole may have a speed of 3e38
        obs = np.clip(obs, -5, 5)
    return ExpertDataset(verbose=0, traj_data=dict(
        obs=obs, actions=actions, episode_starts=np.arange(n_steps) % 10 == 0, episode_returns=np.full(4, 10.)))


class Algorithm(NamedTuple):
    """What the contracts have to know about an algorithm."""

    model_class: type
    kwargs: Dict[str, Any]  # a small, quick configuration
    steps: int  # a training of two updates or more: a whole number of rollouts of ``n_envs`` environments
    changed: Dict[str, Any]  # a value for every constructor argument that is not the default
    report: Set[str]  # columns of progress.csv, with a Monitor
    reported: Dict[str, list]  # some of these columns, after five updates of 100 steps with log_interval=2
    untrained: str  # matches a part of the names of the variables that no update changes
    env_id: str = "CartPole-v1"
    n_envs: int = 2  # 1: it takes a single environment
    action_spaces: Tuple[str, ...] = ALL_ACTIONS
    policies: Tuple[str, ...] = ALL_POLICIES
    schedule_lag: Optional[int] = None  # samples by which lr_schedule lags behind; None without lr_schedule
    threads_argument: Optional[str] = None  # the deprecated name of n_cpu_tf_sess
    report_kwargs: Dict[str, Any] = dict(n_steps=50)  # for ``reported``
    changed_by_acting: Set[str] = set()  # names of parameters
    has_probabilities: bool = True  # whether there are probabilities of actions
    make_kwargs: Callable[..., Dict[str, Any]] = lambda env: {}  # those that depend on the environment


TRPO_CHANGED = dict(gamma=.9, timesteps_per_batch=16, max_kl=.02, cg_iters=5, lam=.8, entcoeff=.02, cg_damping=.1,
                    vf_stepsize=1e-3, vf_iters=2, **dict(ACTOR_CRITIC_ARGUMENTS, n_cpu_tf_sess=2))
TRPO_REPORT = {"EpLenMean", "EpRewMean", "EpThisIter", "EpisodesSoFar", "TimeElapsed", "TimestepsSoFar", "entloss",
               "entropy", "explained_variance_tdlam_before", "meankl", "optimgain", "surrgain"}

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
        DQN, dict(buffer_size=1000, learning_starts=8, train_freq=2, batch_size=8, target_network_update_freq=8),
        steps=32, action_spaces=("Discrete",), policies=OFF_POLICY_POLICIES, untrained="nothing",
        report_kwargs={}, changed_by_acting={"deepq/eps:0"},
        changed=dict(gamma=.9, learning_rate=1e-3, buffer_size=1000, exploration_fraction=.2, exploration_final_eps=.1,
                     exploration_initial_eps=.9, train_freq=2, batch_size=8, double_q=False, learning_starts=8,
                     target_network_update_freq=8, prioritized_replay=True, prioritized_replay_alpha=.5,
                     prioritized_replay_beta0=.3, prioritized_replay_beta_iters=20, prioritized_replay_eps=1e-5,
                     param_noise=True, **OFF_POLICY_ARGUMENTS),
        report={"% time spent exploring", "episodes", "mean 100 episode reward", "steps"},
        reported={}),
    Algorithm(
        DDPG, dict(nb_rollout_steps=8, nb_train_steps=2, batch_size=8, buffer_size=1000), steps=32,
        env_id="ShortPendulum-v0", action_spaces=("Box",), policies=OFF_POLICY_POLICIES, has_probabilities=False,
        untrained="nothing", report_kwargs=dict(nb_rollout_steps=50),
        changed=dict(gamma=.9, memory_policy=ReplayBuffer, nb_train_steps=3, nb_rollout_steps=8, nb_eval_steps=4,
                     param_noise=AdaptiveParamNoiseSpec(.3), action_noise=NormalActionNoise(0., .1),
                     normalize_observations=True, tau=.01, batch_size=8, param_noise_adaption_interval=2,
                     normalize_returns=True, enable_popart=True, observation_range=(-4., 4.), critic_l2_reg=.1,
                     return_range=(-9., 9.), actor_lr=1e-3, critic_lr=2e-3, clip_norm=.5, reward_scale=.5, render=True,
                     render_eval=True, memory_limit=100, buffer_size=1000, random_exploration=.1,
                     **dict(OFF_POLICY_ARGUMENTS, n_cpu_tf_sess=2)),
        report={"reference_Q_mean", "reference_Q_std", "reference_action_mean", "reference_action_std",
                "reference_actor_Q_mean", "reference_actor_Q_std", "rollout/Q_mean", "rollout/actions_mean",
                "rollout/actions_std", "rollout/episode_steps", "rollout/episodes", "rollout/return",
                "rollout/return_history", "total/duration", "total/episodes", "total/epochs", "total/steps",
                "total/steps_per_second", "train/loss_actor", "train/loss_critic", "train/param_noise_distance"},
        reported={"total/epochs": [1, 2, 3, 4, 5], "total/steps": [100, 200, 300, 400, 500],
                  "total/episodes": [10, 20, 30, 40, 50], "rollout/episodes": [10] * 5}),
    Algorithm(
        PPO1, dict(timesteps_per_actorbatch=16, optim_batchsize=8, optim_epochs=2), steps=32, n_envs=1, untrained="/q/",
        policies=("MlpPolicy", "CnnPolicy"), report_kwargs=dict(timesteps_per_actorbatch=100),
        changed=dict(gamma=.9, timesteps_per_actorbatch=16, clip_param=.1, entcoeff=.02, optim_epochs=3,
                     optim_stepsize=2e-3, optim_batchsize=8, lam=.8, adam_epsilon=1e-6, schedule="constant",
                     **dict(ACTOR_CRITIC_ARGUMENTS, n_cpu_tf_sess=2)),
        report={"EpLenMean", "EpRewMean", "EpThisIter", "EpisodesSoFar", "TimeElapsed", "TimestepsSoFar",
                "ev_tdlam_before", "loss_ent", "loss_kl", "loss_pol_entpen", "loss_pol_surr", "loss_vf_loss"},
        reported=dict(TimestepsSoFar=[100, 200, 300, 400, 500])),
    Algorithm(
        GAIL, dict(timesteps_per_batch=16, g_step=1, hidden_size_adversary=8), steps=32, n_envs=1,
        untrained="^model/q/|oldpi/model/q/b", action_spaces=("Discrete", "Box"), policies=("MlpPolicy", "CnnPolicy"),
        report_kwargs=dict(timesteps_per_batch=100), make_kwargs=lambda env: dict(expert_dataset=make_expert(env)),
        changed=dict(TRPO_CHANGED, hidden_size_adversary=7, adversary_entcoeff=.01, g_step=2, d_step=2, d_stepsize=1e-3,
                     expert_dataset=make_expert(gym_compat.make("CartPole-v1"))),
        report=TRPO_REPORT | {"EpTrueRewMean"}, reported=dict(TimestepsSoFar=[100, 200, 300, 400, 500])),
    Algorithm(
        PPO2, dict(n_steps=4, nminibatches=2, noptepochs=2), steps=32, untrained="/q/",
        changed=dict(gamma=.9, n_steps=16, ent_coef=.02, learning_rate=1e-3, vf_coef=.4, max_grad_norm=.3, lam=.8,
                     nminibatches=2, noptepochs=3, cliprange=.1, cliprange_vf=.3, **ACTOR_CRITIC_ARGUMENTS),
        report={"approxkl", "clipfrac", "ep_len_mean", "ep_reward_mean", "explained_variance", "fps", "n_updates",
                "policy_entropy", "policy_loss", "serial_timesteps", "time_elapsed", "total_timesteps", "value_loss"},
        reported=dict(n_updates=[1, 2, 4], total_timesteps=[100, 200, 400], serial_timesteps=[50, 100, 200])),
    Algorithm(
        SAC, dict(buffer_size=1000, learning_starts=8, train_freq=4, batch_size=8), steps=32,
        env_id="ShortPendulum-v0", action_spaces=("Box",), policies=OFF_POLICY_POLICIES, untrained="nothing",
        report_kwargs={},
        changed=dict(gamma=.9, learning_rate=1e-3, buffer_size=1000, learning_starts=8, train_freq=8, batch_size=8,
                     tau=.01, ent_coef="auto_0.1", target_update_interval=2, gradient_steps=2, target_entropy=-2.,
                     action_noise=NormalActionNoise(0., .1), random_exploration=.1, **OFF_POLICY_ARGUMENTS),
        report={"current_lr", "ent_coef", "ent_coef_loss", "entropy", "ep_rewmean", "episodes", "eplenmean", "fps",
                "mean 100 episode reward", "n_updates", "policy_loss", "qf1_loss", "qf2_loss", "time_elapsed",
                "total timesteps", "value_loss"},
        reported={"episodes": list(range(2, 51, 2)), "total timesteps": list(range(20, 501, 20))}),
    Algorithm(
        TD3, dict(buffer_size=1000, learning_starts=8, train_freq=8, gradient_steps=2, batch_size=8), steps=32,
        env_id="ShortPendulum-v0", action_spaces=("Box",), policies=OFF_POLICY_POLICIES, has_probabilities=False,
        untrained="nothing", report_kwargs={},
        changed=dict(gamma=.9, learning_rate=1e-3, buffer_size=1000, learning_starts=8, train_freq=8, gradient_steps=2,
                     batch_size=8, tau=.01, policy_delay=3, action_noise=NormalActionNoise(0., .1),
                     target_policy_noise=.1, target_noise_clip=.4, random_exploration=.1, **OFF_POLICY_ARGUMENTS),
        report={"current_lr", "ep_rewmean", "episodes", "eplenmean", "fps", "mean 100 episode reward", "n_updates",
                "qf1_loss", "qf2_loss", "time_elapsed", "total timesteps"},
        reported={"episodes": list(range(2, 51, 2)), "total timesteps": list(range(20, 501, 20))}),
    Algorithm(
        TRPO, dict(timesteps_per_batch=16), steps=32, n_envs=1, untrained="^model/q/|oldpi/model/q/b",
        policies=("MlpPolicy", "CnnPolicy"), report_kwargs=dict(timesteps_per_batch=100),
        changed=TRPO_CHANGED, report=TRPO_REPORT,
        reported=dict(TimestepsSoFar=[100, 200, 300, 400, 500])),
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
    """Build a small model with a seed."""
    arguments = dict(dict(seed=0, n_cpu_tf_sess=1), **algorithm.kwargs)
    if "Lstm" in policy:
        arguments.update(policy_kwargs=dict(n_lstm=4), n_steps=2)  # a graph with few copies of the cell
    env = env or make_vec(algorithm)
    return algorithm.model_class(policy, env, **dict(arguments, **dict(algorithm.make_kwargs(env), **kwargs)))
