"""Collecting data from vectorised environments."""
from abc import ABC, abstractmethod
from typing import Any, Dict, List, NamedTuple, Optional

import numpy as np

from stable_baselines.common.callbacks import BaseCallback
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.vec_env import VecEnv

Segment = NamedTuple('Segment', [
    ('obs', np.ndarray),  # the observations acted on, (n_steps, n_envs) + observation shape
    ('actions', np.ndarray),  # unclipped, (n_steps, n_envs) + action shape
    ('rewards', np.ndarray),  # (n_steps, n_envs)
    ('values', np.ndarray),  # of the observations, (n_steps, n_envs)
    ('neglogpacs', np.ndarray),  # negative log-likelihood of the actions, (n_steps, n_envs)
    ('dones', np.ndarray),  # whether the observation begins an episode, (n_steps, n_envs)
    ('states', Optional[np.ndarray]),  # of a recurrent policy before the first step, (n_envs,) + state shape
    ('ep_infos', List[Dict[str, Any]]),  # what Monitor says of the episodes that ended
])


class AbstractEnvRunner(ABC):
    """
    Steps environments with a model, always going on where it stopped.

    :param env: (VecEnv) the environments
    :param model: (BaseRLModel) the model; it offers `step`, `value` and `initial_state`
    :param n_steps: (int) number of steps of each environment in one run
    """

    def __init__(self, *, env: VecEnv, model: Any, n_steps: int):
        self.env = env
        self.model = model
        self.n_steps = n_steps
        self.n_env = self.n_envs = env.num_envs
        self.batch_ob_shape = (self.n_envs * n_steps,) + env.observation_space.shape
        self.obs = env.reset()
        self.states = _resize(model.initial_state, self.n_envs)
        self.dones = np.zeros(self.n_envs, dtype=bool)
        self.callback = None  # type: Optional[BaseCallback]
        self.continue_training = True

    def run(self, callback: Optional[BaseCallback] = None) -> Any:
        """
        Collect experience.

        :param callback: (BaseCallback) called after every step; it stops the run by returning False
        :return: what the subclass collects; None when the callback stopped it: `continue_training` is False then
        """
        self.callback = callback
        self.continue_training = True
        return self._run()

    @abstractmethod
    def _run(self) -> Any:
        raise NotImplementedError


def _resize(state: Optional[np.ndarray], n_envs: int) -> Optional[np.ndarray]:
    """Return a zero state for any number of environments."""
    return None if state is None else np.zeros((n_envs,) + state.shape[1:], state.dtype)


class OnPolicyRunner(AbstractEnvRunner):
    """Collects segments of n_steps into arrays that are allocated once; parameters as for `AbstractEnvRunner`."""

    def __init__(self, *, env: VecEnv, model: Any, n_steps: int):
        super(OnPolicyRunner, self).__init__(env=env, model=model, n_steps=n_steps)
        self._arrays = None  # type: Optional[Dict[str, np.ndarray]]

    def _collect(self) -> Optional[Segment]:
        """Take n_steps steps; None when the callback stopped the run."""
        ep_infos, mb_states = [], self.states
        for step in range(self.n_steps):
            actions, values, self.states, neglogpacs = self.model.step(self.obs, self.states, self.dones)
            arrays = self._arrays or self._allocate(actions)
            arrays['obs'][step] = self.obs
            arrays['actions'][step] = actions
            arrays['values'][step] = values
            arrays['neglogpacs'][step] = neglogpacs
            arrays['dones'][step] = self.dones
            clipped_actions = clip_actions(actions, self.env.action_space)
            self.obs, rewards, self.dones, infos = self.env.step(clipped_actions)
            arrays['rewards'][step] = rewards
            self.model.num_timesteps += self.n_envs
            for info in infos:
                if info and 'episode' in info:
                    ep_infos.append(info['episode'])
            if self.callback is not None:
                self._offer_locals(arrays, mb_states=mb_states, ep_infos=ep_infos, actions=actions, values=values,
                                   neglogpacs=neglogpacs, clipped_actions=clipped_actions, rewards=rewards,
                                   infos=infos)
                # only False stops: a callback that returns nothing goes on
                if self.callback.on_step() is False:
                    self.continue_training = False
                    return None
        return Segment(states=mb_states, ep_infos=ep_infos, **arrays)

    def _offer_locals(self, arrays: Dict[str, np.ndarray], **step_locals) -> None:
        """Hand the variables of this step to the callback, under the names of the reference."""
        info = step_locals['infos'][-1]
        self.callback.update_locals(dict(
            step_locals, mb_obs=arrays['obs'], mb_rewards=arrays['rewards'], mb_actions=arrays['actions'],
            mb_values=arrays['values'], mb_dones=arrays['dones'], mb_neglogpacs=arrays['neglogpacs'],
            info=info, maybe_ep_info=info.get('episode'), runner=self))

    def _allocate(self, actions: np.ndarray) -> Dict[str, np.ndarray]:
        """Create the arrays, once the first actions show their type."""
        size = (self.n_steps, self.n_envs)
        self._arrays = {name: np.empty(size, np.float32) for name in ('rewards', 'values', 'neglogpacs')}
        self._arrays['obs'] = np.empty(size + self.obs.shape[1:], self.obs.dtype)
        self._arrays['actions'] = np.empty(size + actions.shape[1:], actions.dtype)
        self._arrays['dones'] = np.empty(size, bool)
        return self._arrays


def clip_actions(actions: np.ndarray, action_space: spaces.Space) -> np.ndarray:
    """
    Clip actions to the bounds of a Box: a normal distribution knows none.

    :param actions: (np.ndarray) actions, shape (n_envs,) + action shape
    :param action_space: (spaces.Space) the action space; actions of other spaces are returned as they are
    :return: (np.ndarray) actions within the bounds
    """
    if isinstance(action_space, spaces.Box):
        return np.clip(actions, action_space.low, action_space.high)
    return actions
