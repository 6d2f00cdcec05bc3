"""What PPO1 and TRPO share: each process collects with its own environment, and all make the same updates."""
from collections import deque
from typing import Any, Deque, Dict, List, NamedTuple, Optional, TypeVar

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common import mpi_util, tf_util
from stable_baselines.common.math_util import explained_variance
from stable_baselines.common.models import reports
from stable_baselines.common.models.actor_critic import ActorCriticRLModel
from stable_baselines.common.models.base import Callback
from stable_baselines.common.models.training import Training
from stable_baselines.common.returns import gae, standardise
from stable_baselines.common.runners import Trajectory, TrajectoryRunner
from stable_baselines.common.vec_env import VecEnv

UPDATES_PER_CHECK = 10  # that the processes of an MPI job are in step


class Samples(NamedTuple):
    """What an update learns from, one row a step of this process."""

    obs: np.ndarray
    actions: np.ndarray
    advantages: np.ndarray  # standardised
    returns: np.ndarray  # what the value function learns: advantages, before they were standardised, plus values
    values: np.ndarray


class Progress:
    """The steps and episodes of all processes since a training began."""

    def __init__(self, n_averaged: int) -> None:
        self.n_updates = self.n_steps = self.n_episodes = self.n_episodes_last = 0
        self.ep_lens: Deque[int] = deque(maxlen=n_averaged)
        self.ep_returns: Deque[float] = deque(maxlen=n_averaged)
        self.ep_true_returns: Deque[float] = deque(maxlen=n_averaged)

    def add(self, trajectories: List[Dict[str, Any]]) -> None:
        """Count one update, with what every process says of its trajectory."""
        self.n_updates += 1
        self.n_steps += sum(trajectory['n_steps'] for trajectory in trajectories)
        self.n_episodes_last = sum(len(trajectory['ep_lens']) for trajectory in trajectories)
        self.n_episodes += self.n_episodes_last
        for trajectory in trajectories:
            for name in ('ep_lens', 'ep_returns', 'ep_true_returns'):
                getattr(self, name).extend(trajectory[name])


Model = TypeVar('Model', bound='TrajectoryRLModel')


class TrajectoryRLModel(ActorCriticRLModel):
    """
    The base of PPO1 and TRPO; parameters as for ``ActorCriticRLModel``.

    A subclass's constructor sets ``gamma`` and ``lam``. It states ``_horizon`` and implements ``_train``; its
    ``_build_graph`` begins with ``_build_act_and_old_policy``. What changes variables has to do it alike in all
    processes of an MPI job: gradients are averaged over them.
    """

    gamma: float
    lam: float

    old_policy: Any = None  # the network as it was before the update, in the scope "oldpi"
    old_params: Any = None  # its variables, in the order of params
    reward_giver: Any = None  # what replaces the rewards of the environment, see TrajectoryRunner; None keeps them
    _n_averaged = 100  # how many episodes the reports average
    _explained_variance_name = 'ev_tdlam_before'
    _old_names = dict(policy_pi='act_model')

    @property
    def _horizon(self) -> int:
        """Return the number of steps of a trajectory."""
        raise NotImplementedError

    def setup_model(self) -> None:
        if self.policy.recurrent:
            raise ValueError(f"policy={self.policy.__name__}: accepted by {type(self).__name__} are policies without a "
                             "memory; PPO2 takes recurrent ones")
        super().setup_model()
        # here: behaviour cloning, which may happen in one process alone, adds others
        self._shared_variables = tf_util.SharedVariables(
            self.graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES), self.sess, self._comm)

    def _keep_env(self, env: Any, vec_env: VecEnv) -> None:
        if vec_env.num_envs != 1:
            raise ValueError(f"env: it has num_envs={vec_env.num_envs}: accepted by {type(self).__name__} is a single "
                             "environment; `mpirun -np 8 python SCRIPT` runs eight processes with one each")
        super()._keep_env(env, vec_env)

    # ---------------------------------------------------------------- graph

    def _build_act_and_old_policy(self) -> None:
        """Build the policy, which acts and is trained on any number of rows, and its copy from before the update."""
        self._comm = mpi_util.world()
        self.act_model = self.train_model = self._build_policy(n_steps=1, reuse=False)
        with tf.variable_scope("oldpi", reuse=False):
            self.old_policy = self._build_policy(n_steps=1, reuse=False)
        self.params, self.old_params = [tf_util.get_trainable_vars(scope) for scope in ("model/", "oldpi/model/")]
        self._update_old_policy, self._take_back_update = (
            tf_util.function([], [], updates=[tf_util.soft_update(*both, 1)], session=self.sess)
            for both in ((self.params, self.old_params), (self.old_params, self.params)))
        self.step, self.proba_step, self.value = (
            self.act_model.step, self.act_model.proba_step, self.act_model.value)

    def _build_samples(self) -> Dict[str, Any]:
        """Build the placeholders of what both algorithms learn from, one row a sample, by name."""
        return dict(obs=(self.act_model.obs_ph, self.old_policy.obs_ph),
                    actions=self.act_model.pdtype.sample_placeholder([None], name="action_ph"),
                    advantages=tf.placeholder(tf.float32, [None], name="atarg_ph"),
                    returns=tf.placeholder(tf.float32, [None], name="ret_ph"))

    # ---------------------------------------------------------------- training

    def _make_runner(self) -> TrajectoryRunner:
        return TrajectoryRunner(env=self.vec_env, model=self, n_steps=self._horizon, reward_giver=self.reward_giver,
                                n_processes=self._comm.Get_size(), offered=dict(env=self.env, policy=self.act_model))

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 100,
              tb_log_name: str = "run", reset_num_timesteps: bool = True) -> Model:
        # as Stable Baselines 2.10: every update is reported, whatever log_interval says
        with Training(self, total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps) as training:
            training.start()
            if self.runner.has_run:
                self._runner = None  # as Stable Baselines 2.10: the environment may have been used since
            self._shared_variables.share()
            self._before_rollouts()
            self.runner.set_state(dict(next_actions=None))  # the parameters may have changed since
            progress = Progress(self._n_averaged)
            while progress.n_steps < training.total_timesteps:
                progress_remaining = 1. - progress.n_steps / training.total_timesteps
                trajectory = training.collect()
                if not self._everybody_has(trajectory, progress):
                    break
                samples = self._samples(trajectory)
                losses = self._train(samples, progress_remaining, training.writer)
                self._after_rollout(samples)
                if training.writer is not None:
                    self._write_episode_rewards(training.writer, trajectory)
                if progress.n_updates % UPDATES_PER_CHECK == 0:
                    self._shared_variables.check()
                if self.verbose >= 1 and self._comm.Get_rank() == 0:
                    self._log(progress, samples, losses, training.seconds())
            self._shared_variables.check()
        return self

    def _everybody_has(self, trajectory: Optional[Trajectory], progress: Progress) -> bool:
        """
        Count the trajectories of all processes; a callback that stopped one of them stops all.

        :param trajectory: that of this process, None if a callback stopped it
        :return: whether every process has one
        """
        told = None if trajectory is None else {
            name: getattr(trajectory, name) for name in ('n_steps', 'ep_lens', 'ep_returns', 'ep_true_returns')}
        trajectories = self._comm.allgather(told)
        if trajectory is None or None in trajectories:
            return False
        progress.add(trajectories)
        self.ep_info_buf.extend(trajectory.ep_infos)
        return True

    def _samples(self, trajectory: Trajectory) -> Samples:
        """Return what an update with a trajectory learns from."""
        advantages, returns = gae(
            trajectory.rewards[:, None], trajectory.values[:, None], trajectory.episode_starts[:, None],
            np.array([trajectory.next_value]), trajectory.dones[-1:], self.gamma, self.lam)
        if not np.isfinite(advantages).all():
            raise ValueError("advantages that are not finite, from which nothing can be learned: a reward, an "
                             "observation or a value is NaN or infinite; VecCheckNan finds out where it comes from")
        return Samples(obs=trajectory.obs, actions=trajectory.actions, advantages=standardise(advantages[:, 0]),
                       returns=returns[:, 0], values=trajectory.values)

    def _train(self, samples: Samples, progress_remaining: float,
               writer: Optional[tf.summary.FileWriter] = None) -> Dict[str, float]:
        """Update the parameters; return what is reported of it, by name."""
        raise NotImplementedError

    def _before_rollouts(self) -> None:
        """Prepare what else a training begins with, now that nothing of it can be refused any more."""

    def _after_rollout(self, samples: Samples) -> None:
        """Learn what else there is to learn from a trajectory, after the update."""

    def _write_episode_rewards(self, writer: tf.summary.FileWriter, trajectory: Trajectory) -> None:
        """Write the rewards of this process's episodes to TensorBoard, at the number of steps when each ended."""
        for step, episode_reward in zip(np.flatnonzero(trajectory.dones), trajectory.ep_true_returns):
            steps_since = (trajectory.n_steps - 1 - step) * self._comm.Get_size()
            reports.write_episode_reward(writer, episode_reward, self.num_timesteps - steps_since)

    def _log(self, progress: Progress, samples: Samples, losses: Dict[str, float], seconds: float) -> None:
        """Report one update."""
        if progress.ep_lens:
            logger.logkv('EpLenMean', np.mean(progress.ep_lens))
            logger.logkv('EpRewMean', np.mean(progress.ep_returns))
            if self.reward_giver is not None:
                logger.logkv('EpTrueRewMean', np.mean(progress.ep_true_returns))
        logger.logkv('EpThisIter', progress.n_episodes_last)
        logger.logkv('EpisodesSoFar', progress.n_episodes)
        logger.logkv('TimestepsSoFar', progress.n_steps)  # as Stable Baselines 2.10: of this call of learn
        logger.logkv('TimeElapsed', seconds)
        for name, value in losses.items():
            logger.logkv(name, value)
        logger.logkv(self._explained_variance_name, float(explained_variance(samples.values, samples.returns)))
        logger.dumpkvs()
