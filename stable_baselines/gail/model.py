"""Generative Adversarial Imitation Learning, https://arxiv.org/abs/1606.03476"""
from typing import Any, Dict, List, Optional, Set, Type, TypeVar, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common.console_util import fmt_row
from stable_baselines.common.gym_compat.spaces import clip_actions, event_shape
from stable_baselines.common.losses import refuse_losses
from stable_baselines.common.models.base import Callback
from stable_baselines.common.models.cloning import check_expert, in_shape
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
    an expert's.

    :param expert_dataset: the expert's trajectories; None only to load a model that will not be trained
    :param hidden_size_adversary: number of units in each of the discriminator's two hidden layers
    :param adversary_entcoeff: weight of the discriminator's entropy bonus; larger values keep it less certain
    :param g_step: number of policy updates per update of the discriminator; raise it if the discriminator always wins
    :param d_step: number of gradient steps in an update of the discriminator, each on its own share of the last batch
    :param d_stepsize: Adam's step size for the discriminator
    :param kwargs: arguments of ``TRPO``
    """

    _carried = (*TRPO._carried, '_n_policy_updates')
    _old_names = dict(d_adam='_train_discriminator')
    using_gail = True
    _n_policy_updates = 0
    _loaded_statistics: Optional[List[Any]] = None  # those of a file, until the discriminator is built

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
        super().setup_model()
        statistics, self._loaded_statistics = self._loaded_statistics, None
        if statistics is not None and self.reward_giver.obs_rms is not None:
            self._set_statistics(*map(np.asarray, statistics))

    def _check_construction(self) -> None:
        super()._check_construction()
        if self.expert_dataset is not None and self.observation_space is not None:
            check_expert(self.expert_dataset, self.observation_space, self.action_space)

    # ---------------------------------------------------------------- files

    @property
    def adversary_statistics(self) -> Optional[List[Any]]:
        """Sum, sum of squares and count of the observations, by which the discriminator normalises."""
        if self.graph is None or self.reward_giver.obs_rms is None:
            return None
        return [np.asarray(value).tolist() for value in self._get_statistics()]

    def _saved_data(self):
        data = super()._saved_data()
        data.update(using_gail=True, adversary_statistics=self.adversary_statistics)
        return data

    def _take_over(self, data: Dict[str, Any]) -> Set[str]:
        self._loaded_statistics = data.pop('adversary_statistics', None)  # for setup_model, which comes next
        return super()._take_over(data)

    # ---------------------------------------------------------------- hooks of TRPO

    def _setup_learn(self) -> None:
        super()._setup_learn()
        if self.expert_dataset is None:
            raise ValueError("expert_dataset=None: accepted for training is an ExpertDataset, which load() takes too")
        check_expert(self.expert_dataset, self.observation_space, self.action_space)

    def _before_rollouts(self) -> None:
        assert self.expert_dataset is not None  # _setup_learn checks it
        # it decides when the processes of an MPI job meet
        self._n_policy_updates = self._comm.allgather(self._n_policy_updates)[0]
        self.expert_dataset.init_dataloader(self.timesteps_per_batch // self.d_step)
        self.expert_dataset.restart(self.np_random)

    def _build_reward(self) -> List[tf.Variable]:
        self.reward_giver = adversary = TransitionClassifier(
            self.observation_space, self.action_space, self.hidden_size_adversary, entcoeff=self.adversary_entcoeff,
            sess=self.sess, comm=self._comm)
        self.adversary_losses, self._train_discriminator = adversary.build_training()
        if adversary.obs_rms is not None:
            self._get_statistics, self._set_statistics = self._build_access(list(adversary.obs_rms.variables))
        return adversary.get_trainable_variables()

    def _after_rollout(self, samples: Samples) -> None:
        self._n_policy_updates += 1
        if self._n_policy_updates % self.g_step != 0:
            return
        orders = np.array_split(self.np_random.permutation(len(samples.obs)), self.d_step)
        with refuse_losses("those after the policy's update, and the discriminator's from before the step"):
            losses = [self._train_discriminator(self._discriminator_batch(samples, rows)) for rows in orders]
        if self._comm.Get_rank() == 0:
            logger.log(fmt_row(13, losses[0]._fields))
            logger.log(fmt_row(13, np.mean(losses, axis=0).tolist()))

    def _discriminator_batch(self, samples: Samples, rows: np.ndarray) -> Batch:
        """Pair some of the policy's transitions with the next ones of the expert."""
        assert self.expert_dataset is not None  # _setup_learn checks it
        expert_obs, expert_actions = self.expert_dataset.get_next_batch()
        return Batch(
            # clipped, as when they are rewarded: the expert's lie within the bounds
            obs=samples.obs[rows], actions=clip_actions(samples.actions[rows], self.action_space),
            expert_obs=in_shape('observations', expert_obs, event_shape(self.observation_space)),
            expert_actions=in_shape('actions', expert_actions, event_shape(self.action_space)),
            learning_rate=self.d_stepsize)

    # ---------------------------------------------------------------- training

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 100,
              tb_log_name: str = "GAIL", reset_num_timesteps: bool = True) -> Model:
        return super().learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps)
