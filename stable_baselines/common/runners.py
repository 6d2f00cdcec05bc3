"""Collecting data from vectorised environments."""
from abc import ABC, abstractmethod
from typing import Any, Dict, List, NamedTuple, Optional

import numpy as np

from stable_baselines.common.callbacks import BaseCallback
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.returns import gae, n_step_returns, swap_and_flatten
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

# One row for each step: all steps of environment 0, then those of environment 1, and so on.
Rollout = NamedTuple('Rollout', [
    ('obs', np.ndarray),
    ('returns', np.ndarray),
    ('masks', np.ndarray),  # whether the observation begins an episode
    ('actions', np.ndarray),
    ('values', np.ndarray),
    ('neglogpacs', np.ndarray),
    ('states', Optional[np.ndarray]),  # of a recurrent policy before the first step, one row for each environment
    ('ep_infos', List[Dict[str, Any]]),
    ('true_reward', np.ndarray),
])


class AbstractEnvRunner(ABC):
    """
    Steps environments with a model, always going on where it stopped.

    :param env: the environments
    :param model: the model; it offers ``step``, ``value`` and ``initial_state``
    :param n_steps: number of steps of each environment in one run
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
        self.callback: Optional[BaseCallback] = None
        self.continue_training = True

    def run(self, callback: Optional[BaseCallback] = None) -> Any:
        """
        Collect experience.

        :param callback: called after every step; it stops the run by returning False
        :return: what the subclass collects; None when the callback stopped it: ``continue_training`` is False then
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


class SegmentRunner(AbstractEnvRunner):
    """
    Takes n_steps steps of each environment; a subclass says how. Parameters as for ``AbstractEnvRunner``.

    The segments lie in arrays that are allocated once: the next run overwrites them.
    """

    def __init__(self, *, env: VecEnv, model: Any, n_steps: int):
        super().__init__(env=env, model=model, n_steps=n_steps)
        self._arrays: Optional[Dict[str, np.ndarray]] = None

    @abstractmethod
    def _act(self) -> Dict[str, np.ndarray]:
        """Choose ``actions``, renew the states; return what a segment keeps of a step besides observations."""
        raise NotImplementedError

    def _collect(self) -> Optional[Dict[str, Any]]:
        """Take n_steps steps and return the fields of a ``Segment``; None when the callback stopped the run."""
        ep_infos, mb_states = [], self.states
        for step in range(self.n_steps):
            kept = dict(self._act(), obs=self.obs, dones=self.dones)
            arrays = self._arrays or self._allocate(kept)
            for name, values in kept.items():  # before the step: an environment may reuse its memory
                arrays[name][step] = values
            clipped_actions = clip_actions(kept['actions'], self.env.action_space)
            self.obs, rewards, self.dones, infos = self.env.step(clipped_actions)
            arrays['rewards'][step] = rewards
            self.model.num_timesteps += self.n_envs
            for info in infos:
                if info and 'episode' in info:
                    ep_infos.append(info['episode'])
            if self.callback is not None:
                self._offer_locals(step, kept, mb_states=mb_states, ep_infos=ep_infos, clipped_actions=clipped_actions,
                                   rewards=rewards, infos=infos)
                # only False stops: a callback that returns nothing goes on
                if self.callback.on_step() is False:
                    self.continue_training = False
                    return None
        return dict(self._arrays, states=mb_states, ep_infos=ep_infos)

    def _offer_locals(self, step: int, kept: Dict[str, np.ndarray], **step_locals) -> None:
        """Hand the variables of this step to the callback, under the names of the reference."""
        info = step_locals['infos'][-1]
        # as Stable Baselines 2.10: of the rewards those before this step, of all else what there is so far
        segment = {'mb_' + name: array[:step if name == 'rewards' else step + 1]
                   for name, array in self._arrays.items()}
        self.callback.update_locals(dict(
            dict(kept, **segment), obs=self.obs, dones=self.dones, states=self.states, info=info,
            maybe_ep_info=info.get('episode'), runner=self, **step_locals))

    def _allocate(self, kept: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Create the arrays, once the first step shows their shapes and types."""
        size = (self.n_steps, self.n_envs)
        self._arrays = {name: np.empty(size + values.shape[1:], values.dtype) for name, values in kept.items()}
        self._arrays['rewards'] = np.empty(size, np.float32)
        return self._arrays


class OnPolicyRunner(SegmentRunner):
    """Collects rollouts of n_steps; a subclass says what their returns are. Parameters as for ``AbstractEnvRunner``."""

    def _act(self) -> Dict[str, np.ndarray]:
        actions, values, self.states, neglogpacs = self.model.step(self.obs, self.states, self.dones)
        return dict(actions=actions, values=values, neglogpacs=neglogpacs)

    @abstractmethod
    def _returns(self, segment: Segment, last_values: np.ndarray) -> np.ndarray:
        """Compute the returns of a segment, (n_steps, n_envs), given the values (n_envs,) of what comes after it."""
        raise NotImplementedError

    def _run(self) -> Optional[Rollout]:
        collected = self._collect()
        if collected is None:
            return None
        segment = Segment(**collected)
        returns = self._returns(segment, self.model.value(self.obs, self.states, self.dones))
        obs, returns, masks, actions, values, neglogpacs, true_reward = map(swap_and_flatten, (
            segment.obs, returns, segment.dones, segment.actions, segment.values, segment.neglogpacs,
            segment.rewards))
        return Rollout(obs, returns, masks, actions, values, neglogpacs, segment.states, segment.ep_infos,
                       true_reward)


class NStepRunner(OnPolicyRunner):
    """
    Collects rollouts with the discounted rewards of the rest of the rollout, and the value of what follows it.

    :param env: the environments
    :param model: the model
    :param n_steps: number of steps of each environment in one run
    :param gamma: discount factor
    """

    def __init__(self, env: VecEnv, model: Any, n_steps: int = 5, gamma: float = 0.99):
        super().__init__(env=env, model=model, n_steps=n_steps)
        self.gamma = gamma

    def _returns(self, segment: Segment, last_values: np.ndarray) -> np.ndarray:
        return n_step_returns(segment.rewards, segment.dones, last_values, self.dones, self.gamma)


class GAERunner(OnPolicyRunner):
    """
    Collects rollouts with the returns of Generalized Advantage Estimation, see ``returns.gae``.

    :param env: the environments
    :param model: the model
    :param n_steps: number of steps of each environment in one run
    :param gamma: discount factor
    :param lam: GAE's trade-off
    """

    def __init__(self, *, env: VecEnv, model: Any, n_steps: int, gamma: float, lam: float):
        super().__init__(env=env, model=model, n_steps=n_steps)
        self.gamma = gamma
        self.lam = lam

    def _returns(self, segment: Segment, last_values: np.ndarray) -> np.ndarray:
        _, returns = gae(segment.rewards, segment.values, segment.dones, last_values, self.dones, self.gamma, self.lam)
        return returns


def clip_actions(actions: np.ndarray, action_space: spaces.Space) -> np.ndarray:
    """
    Clip actions to the bounds of a Box: a normal distribution knows none.

    :param actions: actions, shape (n_envs,) + action shape
    :param action_space: the action space; actions of other spaces are returned as they are
    :return: actions within the bounds
    """
    if isinstance(action_space, spaces.Box):
        return np.clip(actions, action_space.low, action_space.high)
    return actions
