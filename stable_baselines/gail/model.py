"""Generative Adversarial Imitation Learning, https://arxiv.org/abs/1606.03476"""
from typing import Any, List, Optional, Type, TypeVar, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common.console_util import fmt_row
from stable_baselines.common.gym_compat.spaces import clip_actions, event_shape
from stable_baselines.common.models.base import Callback
from stable_baselines.common.models.training import check_counts, check_numbers
from stable_baselines.common.models.trajectories import Samples
from stable_baselines.common.policies import BasePolicy
from stable_baselines.gail.adversary import Batch, TransitionClassifier
from stable_baselines.gail.dataset.dataset import ExpertDataset
from stable_baselines.trpo_mpi.trpo_mpi import TRPO

Model = TypeVar('Model', bound='GAIL')


class GAIL(TRPO):
    """
    Generative Adversarial Imitation Learning, https://arxiv.org/abs/1606.03476

    TRPO whose rewards come from a discriminator, ``reward_giver``, which learns to tell the policy's transitions from
    an expert's. Arguments are those of ``TRPO`` and

    :param expert_dataset: what the expert did; None is for loading a model that will not be trained
    :param hidden_size_adversary: size of the two layers of the discriminator
    :param adversary_entcoeff: weight of the discriminator's entropy: larger values keep it less sure
    :param g_step: number of updates of the policy between two of the discriminator: more for a discriminator that wins
    :param d_step: number of gradient steps of the discriminator in an update, each with its part of the last batch
    :param d_stepsize: Adam's step size for the discriminator
    :param kwargs: arguments of ``TRPO``
    """

    _carried = (*TRPO._carried, '_n_policy_updates')
    _old_names = dict(d_adam='_train_discriminator')
    using_gail = True
    _n_policy_updates = 0

    def __init__(self, policy: Union[str, Type[BasePolicy]], env: Any, expert_dataset: Optional[ExpertDataset] = None,
                 hidden_size_adversary: int = 100, adversary_entcoeff: float = 1e-3, g_step: int = 3, d_step: int = 1,
                 d_stepsize: float = 3e-4, verbose: int = 0, _init_setup_model: bool = True, **kwargs):
        self.expert_dataset = expert_dataset
        self.hidden_size_adversary = hidden_size_adversary
        self.adversary_entcoeff = adversary_entcoeff
        self.g_step = g_step
        self.d_step = d_step
        self.d_stepsize = d_stepsize
        super().__init__(policy, env, verbose=verbose, _init_setup_model=_init_setup_model, **kwargs)

    def setup_model(self) -> None:
        check_counts(hidden_size_adversary=self.hidden_size_adversary, g_step=self.g_step, d_step=self.d_step)
        check_numbers(0, adversary_entcoeff=self.adversary_entcoeff, d_stepsize=self.d_stepsize)
        if self.d_step > self.timesteps_per_batch:
            raise ValueError(f"d_step={self.d_step}: accepted is at most timesteps_per_batch, "
                             f"{self.timesteps_per_batch}")
        if self.expert_dataset is not None and self.observation_space is not None:
            self._check_dataset(self.expert_dataset)
        statistics = vars(self).pop('adversary_statistics', None)  # of a file
        super().setup_model()
        if statistics is not None and self.reward_giver.obs_rms is not None:
            self._set_statistics(*map(np.asarray, statistics))

    def _check_dataset(self, dataset: ExpertDataset) -> None:
        """Refuse an expert of another task."""
        rows = dict(observations=(dataset.observations, self.observation_space),
                    actions=(dataset.actions, self.action_space))
        for name, (array, space) in rows.items():
            if array.dtype.kind != 'U' and np.prod(array.shape[1:]) != np.prod(event_shape(space)):
                raise ValueError(f"expert_dataset: its {name} have shape {array.shape[1:]}: accepted is "
                                 f"{event_shape(space)}, that of the environment")

    # ---------------------------------------------------------------- hooks of TRPO

    def _build_reward(self) -> List[tf.Variable]:
        self.reward_giver = adversary = TransitionClassifier(
            self.observation_space, self.action_space, self.hidden_size_adversary, entcoeff=self.adversary_entcoeff,
            sess=self.sess)
        self.adversary_losses, self._train_discriminator = adversary.build_training(self._comm)
        if adversary.obs_rms is not None:
            self._get_statistics, self._set_statistics = self._build_access(list(adversary.obs_rms.variables))
        return adversary.get_trainable_variables()

    def _after_rollout(self, samples: Samples) -> None:
        self._n_policy_updates += 1
        if self._n_policy_updates % self.g_step != 0:
            return
        assert self.expert_dataset is not None  # says learn
        losses = []
        for rows in np.array_split(self.np_random.permutation(len(samples.obs)), self.d_step):
            expert_obs, expert_actions = self.expert_dataset.get_next_batch()
            losses.append(self._train_discriminator(Batch(
                # as they are rewarded: within the bounds, where the expert's are
                obs=samples.obs[rows], actions=clip_actions(samples.actions[rows], self.action_space),
                expert_obs=np.reshape(expert_obs, (-1,) + event_shape(self.observation_space)),
                expert_actions=np.reshape(expert_actions, (-1,) + event_shape(self.action_space)),
                learning_rate=self.d_stepsize)))
        if self._comm.Get_rank() == 0:
            logger.log(fmt_row(13, losses[0]._fields))
            logger.log(fmt_row(13, np.mean(losses, axis=0).tolist()))

    @property
    def adversary_statistics(self) -> Optional[List[Any]]:
        """Sum, sum of squares and number of the observations that the discriminator normalises by, for the file."""
        if self.graph is None or self.reward_giver.obs_rms is None:
            return None
        return [np.asarray(value).tolist() for value in self._get_statistics()]

    def _saved_data(self):
        data = super()._saved_data()
        data.update(using_gail=True, adversary_statistics=self.adversary_statistics)
        return data

    # ---------------------------------------------------------------- training

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 100,
              tb_log_name: str = "GAIL", reset_num_timesteps: bool = True) -> Model:
        if self.expert_dataset is None:
            raise ValueError("expert_dataset=None: accepted for training is an ExpertDataset, which load() takes too")
        self._check_built()
        self.expert_dataset.init_dataloader(self.timesteps_per_batch // self.d_step)
        self.expert_dataset.restart(self.np_random)
        return super().learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps)
