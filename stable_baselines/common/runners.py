"""Collecting data from vectorised environments."""
import copy
from abc import ABC, abstractmethod
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from stable_baselines.common import gym_compat
from stable_baselines.common.callbacks import BaseCallback
from stable_baselines.common.gym_compat.spaces import clip_actions
from stable_baselines.common.returns import gae, n_step_returns
from stable_baselines.common.vec_env import DummyVecEnv, VecEnv
from stable_baselines.common.vec_env.base_vec_env import _UnvecWrapper


class Segment(NamedTuple):
    """What ``n_steps`` steps of every environment gave, one row a step."""

    obs: np.ndarray  # the observations acted on, (n_steps, n_envs) + observation shape
    actions: np.ndarray  # unclipped, (n_steps, n_envs) + action shape
    rewards: np.ndarray  # (n_steps, n_envs)
    values: np.ndarray  # of the observations, (n_steps, n_envs)
    neglogp: np.ndarray  # negative log-likelihood of the actions, (n_steps, n_envs)
    episode_starts: np.ndarray  # whether the observation begins an episode, (n_steps, n_envs)
    states: Optional[np.ndarray]  # of a recurrent policy before the first step, (n_envs,) + state shape
    ep_infos: List[Dict[str, Any]]  # what Monitor says of the episodes that ended


class Rollout(NamedTuple):
    """What an update learns from, one row a sample: all steps of environment 0, then all of environment 1, ..."""

    obs: np.ndarray
    returns: np.ndarray
    episode_starts: np.ndarray
    actions: np.ndarray
    values: np.ndarray
    neglogp: np.ndarray
    states: Optional[np.ndarray]  # of a recurrent policy before the first step, one row an environment
    ep_infos: List[Dict[str, Any]]
    rewards: np.ndarray


class AbstractEnvRunner(ABC):
    """
    Steps environments with a model; every run continues where the last one stopped.

    :param env: the environments
    :param model: the model; it offers ``step``, ``value`` and ``initial_state``
    :param n_steps: number of steps of each environment in one run
    """

    def __init__(self, *, env: VecEnv, model: Any, n_steps: int):
        self.env, self.model, self.n_steps = env, model, n_steps
        self.n_env = self.n_envs = env.num_envs
        self.batch_ob_shape = (n_steps * env.num_envs, *env.observation_space.shape)
        self.callback: Any = None  # while it runs
        self.continue_training = True
        self.has_run = False  # since it was made or given a state
        # where the next step goes on: observations, whether the last step ended its episode, states of a policy
        self.obs = env.reset()
        self.dones = np.zeros(env.num_envs, bool)
        initial = model.initial_state
        self.states = None if initial is None else np.zeros((env.num_envs, *initial.shape[1:]), initial.dtype)

    def run(self, callback: Optional[BaseCallback] = None) -> Any:
        """
        Collect experience.

        :param callback: called after every step; it stops the run by returning False
        :return: what the subclass collects; None if the callback stopped it, ``continue_training`` is False then
        """
        self.callback = callback
        self.continue_training = True
        self.has_run = True
        return self._run()

    @abstractmethod
    def _run(self) -> Any:
        raise NotImplementedError

    def get_state(self) -> Dict[str, Any]:
        """Return a copy of where the next step goes on, but for the state of the environments themselves."""
        return copy.deepcopy(dict(obs=self.obs, dones=self.dones, states=self.states))

    def set_state(self, state: Dict[str, Any]) -> None:
        """Go on from a copy of what ``get_state`` returned."""
        vars(self).update(copy.deepcopy(state), has_run=False)


class SegmentRunner(AbstractEnvRunner):
    """
    Takes n_steps steps of each environment; a subclass says how. Parameters as for ``AbstractEnvRunner``.

    Each run makes new arrays. They lie in memory by environment, as updates take them, so that nothing is moved then.
    """

    # what callbacks call the fields of a segment, where they have names of their own
    _offered_names = {'neglogp': 'neglogpacs', 'episode_starts': 'dones'}
    # which fields callbacks see with the row after the last step when the rollout ends
    _offered_with_last_row: Tuple[str, ...] = ()

    def __init__(self, *, env: VecEnv, model: Any, n_steps: int):
        super().__init__(env=env, model=model, n_steps=n_steps)
        self._arrays: Dict[str, np.ndarray] = {}

    @abstractmethod
    def _act(self) -> Dict[str, np.ndarray]:
        """Choose ``actions`` and update the states; return what a segment keeps of a step besides observations."""
        raise NotImplementedError

    def _collect(self) -> Optional[Dict[str, Any]]:
        """Take n_steps steps and return the fields of a ``Segment``; None if the callback stopped the run."""
        ep_infos, states_before, self._arrays = [], self.states, {}
        listening = self.callback is not None and self.callback.listens
        for step in range(self.n_steps):
            kept = self._act()
            kept.update(obs=self.obs, episode_starts=self.dones)
            arrays = self._arrays or self._allocate(kept)
            for name, values in kept.items():  # before the step: an environment may reuse its memory
                arrays[name][step] = values
            clipped_actions = clip_actions(kept['actions'], self.env.action_space)
            self.obs, rewards, self.dones, infos = self.env.step(clipped_actions)
            arrays['rewards'][step] = rewards
            self._count_step()
            if any(infos):
                ep_infos += [info['episode'] for info in infos if info and 'episode' in info]
            if listening:
                self._offer_step(step, kept, mb_states=states_before, ep_infos=ep_infos,
                                 clipped_actions=clipped_actions, rewards=rewards, infos=infos)
                # only False stops: a callback that returns nothing goes on
                if self.callback.on_step() is False:
                    self.continue_training = False
                    return None
            self._note_step(step, infos)
        if listening:
            self._offer_end()
        return dict(self._arrays, states=states_before, ep_infos=ep_infos)

    def _count_step(self) -> None:
        """Count a step of every environment."""
        self.model.num_timesteps += self.n_envs

    def _note_step(self, step: int, infos: Sequence[Dict[str, Any]]) -> None:
        """Keep what a subclass needs of a step besides the arrays; after the callback."""

    def _offer_step(self, step: int, kept: Dict[str, np.ndarray], **offered) -> None:
        """Offer the variables of a step to the callback, under the names of the reference."""
        info = offered['infos'][-1]
        chosen = {self._offered_names.get(name, name): values for name, values in kept.items()}
        # as Stable Baselines 2.10: of the rewards those before this step, of all else what there is so far
        segment = {'mb_' + self._offered_names.get(name, name): array[:step if name == 'rewards' else step + 1]
                   for name, array in self._arrays.items()}
        self.callback.offer(**dict(chosen, obs=self.obs, dones=self.dones, states=self.states, info=info,
                                   maybe_ep_info=info.get('episode'), runner=self, **segment, **offered))

    def _offer_end(self) -> None:
        """Offer what is complete only after the last step."""
        after_last = dict(obs=self.obs, episode_starts=self.dones)
        complete = {name: np.concatenate([self._arrays[name], after_last[name][None]])
                    for name in self._offered_with_last_row}
        self.callback.offer(mb_rewards=self._arrays['rewards'], **{
            'mb_' + self._offered_names.get(name, name): rows for name, rows in complete.items()})

    def _allocate(self, kept: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Create the arrays, once the first step shows their shapes and types."""
        size = (self.n_envs, self.n_steps)
        # zeros: callbacks of PPO1, TRPO and GAIL see the rows that are still to come
        by_env = {name: np.zeros(size + values.shape[1:], values.dtype) for name, values in kept.items()}
        by_env['rewards'] = np.zeros(size, np.float32)
        self._arrays = {name: array.swapaxes(0, 1) for name, array in by_env.items()}
        return self._arrays


class OnPolicyRunner(SegmentRunner):
    """Collects rollouts of n_steps; a subclass computes their returns. Parameters as for ``AbstractEnvRunner``."""

    def _act(self) -> Dict[str, np.ndarray]:
        actions, values, self.states, neglogp = self.model.step(self.obs, self.states, self.dones)
        return dict(actions=actions, values=values, neglogp=neglogp)

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
        rows = {name: _flatten_by_env(getattr(segment, name))
                for name in ('obs', 'actions', 'rewards', 'values', 'neglogp', 'episode_starts')}
        return Rollout(returns=_flatten_by_env(returns), states=segment.states, ep_infos=segment.ep_infos, **rows)


def swap_and_flatten(arr: np.ndarray) -> np.ndarray:
    """
    Flatten time-major data so that all steps of environment 0 come first, then those of environment 1, and so on.

    :param arr: shape (n_steps, n_envs, ...)
    :return: shape (n_envs * n_steps, ...), always a copy
    """
    flat = _flatten_by_env(arr)
    return flat.copy() if np.may_share_memory(flat, arr) else flat  # a single environment or step needs no moving


def _flatten_by_env(arr: np.ndarray) -> np.ndarray:
    """Do what ``swap_and_flatten`` does, without a copy where none is needed."""
    return arr.swapaxes(0, 1).reshape((arr.shape[0] * arr.shape[1],) + arr.shape[2:])


class NStepRunner(OnPolicyRunner):
    """
    Collects rollouts whose returns are the discounted rewards up to the rollout's end plus the value of what follows.

    Parameters as for ``AbstractEnvRunner`` and

    :param gamma: discount factor
    """

    _offered_with_last_row = ('episode_starts',)

    def __init__(self, env: VecEnv, model: Any, n_steps: int = 5, gamma: float = 0.99):
        super().__init__(env=env, model=model, n_steps=n_steps)
        self.gamma = gamma

    def _returns(self, segment: Segment, last_values: np.ndarray) -> np.ndarray:
        return n_step_returns(segment.rewards, segment.episode_starts, last_values, self.dones, self.gamma)


class GAERunner(OnPolicyRunner):
    """
    Collects rollouts with the returns of Generalized Advantage Estimation, see ``returns.gae``.

    Parameters as for ``AbstractEnvRunner`` and

    :param gamma: discount factor
    :param lam: GAE's trade-off between bias and variance
    """

    def __init__(self, *, env: VecEnv, model: Any, n_steps: int, gamma: float, lam: float):
        super().__init__(env=env, model=model, n_steps=n_steps)
        self.gamma = gamma
        self.lam = lam

    def _returns(self, segment: Segment, last_values: np.ndarray) -> np.ndarray:
        return gae(segment.rewards, segment.values, segment.episode_starts, last_values, self.dones, self.gamma,
                   self.lam)[1]


_NOT_YET = np.zeros(1, np.float32)  # in place of a reward that is asked for later


class Trajectory(NamedTuple):
    """What ``n_steps`` steps of one environment gave, one row a step; it may begin and end within episodes."""

    obs: np.ndarray  # the observations acted on, (n_steps,) + observation shape
    actions: np.ndarray  # unclipped, (n_steps,) + action shape
    rewards: np.ndarray  # what is learned from: those of the reward giver if there is one, (n_steps,)
    true_rewards: np.ndarray  # those of the environment, (n_steps,)
    values: np.ndarray  # of the observations, (n_steps,)
    episode_starts: np.ndarray  # whether the observation begins an episode, (n_steps,)
    dones: np.ndarray  # whether the step ended its episode, (n_steps,)
    next_value: float  # of the observation after the last step; 0 if that step ended its episode
    n_steps: int  # fewer than rows if a callback ended it
    ep_returns: List[float]  # sums of the rewards of the episodes that ended
    ep_lens: List[int]  # their lengths
    ep_true_returns: List[float]  # sums of their true rewards, as a Monitor knows them if there is one
    ep_infos: Sequence[Dict[str, Any]]  # what Monitor says of them


class TrajectoryRunner(SegmentRunner):
    """
    Collects trajectories of a single environment, and the statistics of its episodes; see ``TrajectoryRLModel``.

    Parameters as for ``AbstractEnvRunner`` (a policy will do as a model) and

    :param reward_giver: replaces the rewards by those of its ``get_reward(obs, action)``; one with an attribute
        ``takes_batches`` is asked for those of a whole trajectory at once, (n_steps, ...) each. None keeps them
    :param n_processes: number of processes that each take such a step, as the model counts them; None does not count
    :param offered: what callbacks see, by name, besides the variables of each step
    """

    _offered_names = {'obs': 'observations', 'values': 'vpreds'}

    def __init__(self, *, env: VecEnv, model: Any, n_steps: int, reward_giver: Any = None,
                 n_processes: Optional[int] = None, offered: Optional[Dict[str, Any]] = None):
        super().__init__(env=env, model=model, n_steps=n_steps)
        if self.n_envs != 1:
            raise ValueError(f"env: it has num_envs={self.n_envs}: accepted is a single environment")
        self.reward_giver, self.n_processes = reward_giver, n_processes
        self._rewards_at_once = getattr(reward_giver, 'takes_batches', False)
        self.dones = np.ones(1, bool)  # the first step begins an episode
        self._offered = dict(offered or {}, horizon=n_steps, gail=reward_giver is not None, reward_giver=reward_giver)
        self.next_actions: Optional[np.ndarray] = None  # chosen already; None lets the model choose
        self._n_steps_total = 0
        # the running episode
        self._ep_return: float = 0
        self._ep_true_return: float = 0
        self._ep_len = 0
        self._start()

    def _count_step(self) -> None:
        if self.n_processes is not None:
            self.model.num_timesteps += self.n_processes

    def _start(self) -> None:
        """Begin a trajectory."""
        self._n_steps_done = 0
        self._ep_return_before = self._ep_return
        self._ended: Dict[str, list] = dict(ep_returns=[], ep_lens=[], ep_true_returns=[])

    def _run(self) -> Optional[Trajectory]:
        self._start()
        collected = self._collect()
        if collected is None:
            return None
        if self._rewards_at_once:
            self._replace_rewards()
        return self._trajectory(collected['ep_infos'])

    def _act(self) -> Dict[str, np.ndarray]:
        actions, values, self.states, _ = self.model.step(self.obs, self.states, self.dones)
        if self.next_actions is not None:
            actions, self.next_actions = self.next_actions, None
        if self.reward_giver is None:
            return dict(actions=actions, values=values)
        if self._rewards_at_once and not self._is_heard():
            given = _NOT_YET
        else:
            given = self._given_rewards(self.obs[0], actions[0])
        return dict(actions=actions, values=values, given_rewards=given)

    def _is_heard(self) -> bool:
        """Tell whether somebody sees each step."""
        return self.callback is not None and self.callback.listens

    def _given_rewards(self, obs: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Ask the reward giver for the rewards of one step, or of several."""
        return np.reshape(self.reward_giver.get_reward(obs, clip_actions(actions, self.env.action_space)), -1)

    def _replace_rewards(self) -> None:
        """
        Ask for the rewards of the whole trajectory at once, and sum them up by episode.

        Their last bits differ from those of single steps, which callbacks have seen: a training learns from these
        whether or not it has a callback.
        """
        rewards = self._given_rewards(self._arrays['obs'][:, 0], self._arrays['actions'][:, 0])
        self._arrays['given_rewards'][:, 0] = rewards
        self._ep_return, self._ended['ep_returns'] = self._ep_return_before, []
        for reward, done in zip(rewards.tolist(), self._rows()['dones'].tolist()):
            self._ep_return += reward
            if done:
                self._ended['ep_returns'].append(self._ep_return)
                self._ep_return = 0

    def _note_step(self, step: int, infos: Sequence[Dict[str, Any]]) -> None:
        true_reward = float(self._arrays['rewards'][step, 0])
        self._ep_true_return += true_reward
        self._ep_return += true_reward if self.reward_giver is None else float(self._arrays['given_rewards'][step, 0])
        self._ep_len += 1
        self._n_steps_done += 1
        self._n_steps_total += 1
        if not self.dones[0]:
            return
        if 'episode' in infos[0]:  # a Monitor knows the rewards before anything normalised them
            self._ep_true_return = infos[0]['episode']['r']
            if self.reward_giver is None:
                self._ep_return = self._ep_true_return
        for name, value in zip(self._ended, (self._ep_return, self._ep_len, self._ep_true_return)):
            self._ended[name].append(value)
        self._ep_return, self._ep_true_return, self._ep_len = 0, 0, 0

    def _rows(self) -> Dict[str, np.ndarray]:
        """Return the arrays of a trajectory, (n_steps,) + shape, as far as it has come."""
        arrays = {name: array[:, 0] for name, array in self._arrays.items()}
        true_rewards = arrays.pop('rewards')
        return dict(arrays, true_rewards=true_rewards, rewards=arrays.pop('given_rewards', true_rewards),
                    dones=np.append(arrays['episode_starts'][1:], self.dones))

    def _trajectory(self, ep_infos: Sequence[Dict[str, Any]] = ()) -> Trajectory:
        """Return the trajectory, as far as it has come."""
        rows: Dict[str, Any] = {name: rows.copy() for name, rows in self._rows().items()}
        # as Stable Baselines 2.10: what follows a trajectory is chosen before the policy learns from it
        self.next_actions, values, _, _ = self.model.step(self.obs, self.states, self.dones)
        next_value = 0. if self.dones[0] else float(values[0])
        return Trajectory(next_value=next_value, n_steps=self._n_steps_done, ep_infos=ep_infos,
                          **dict(rows, **self._ended))

    def _offer_step(self, step: int, kept: Dict[str, np.ndarray], **offered) -> None:
        # as Stable Baselines 2.10: the arrays are those of the whole trajectory, sums are those before this step
        arrays = {self._offered_names.get(name, name): rows for name, rows in self._rows().items()}
        arrays['dones'][step] = self.dones[0]
        info, true_reward = offered['infos'][0], float(offered['rewards'][0])
        maybe_ep_info = dict(maybe_ep_info=info.get('episode')) if self._n_steps_total > 0 else {}
        ep_rets, ep_lens, ep_true_rets = self._ended.values()
        self.callback.offer(
            **self._offered, **arrays, **maybe_ep_info, i=step, step=self._n_steps_total, current_it_len=step,
            observation=self.obs[0], action=kept['actions'], clipped_action=offered['clipped_actions'],
            vpred=kept['values'], states=self.states, info=info, true_reward=true_reward,
            reward=true_reward if self.reward_giver is None else float(kept['given_rewards'][0]),
            done=bool(self.dones[0]), episode_start=bool(kept['episode_starts'][0]), current_ep_len=self._ep_len,
            cur_ep_ret=self._ep_return, cur_ep_true_ret=self._ep_true_return, ep_rets=ep_rets, ep_lens=ep_lens,
            ep_true_rets=ep_true_rets)

    def _offer_end(self) -> None:
        """Nothing is complete only after the last step."""


# the fields of a trajectory as the reference calls them
_SEGMENT_NAMES = dict(obs='observations', values='vpred', next_value='nextvpred', n_steps='total_timestep',
                      ep_returns='ep_rets', ep_true_returns='ep_true_rets')


def traj_segment_generator(policy: Any, env: Any, horizon: int, reward_giver: Any = None, gail: bool = False,
                           callback: Optional[BaseCallback] = None) -> Iterator[Dict[str, Any]]:
    """
    Collect trajectories without end; the library's own algorithms use ``TrajectoryRunner``.

    :param policy: a policy: it offers ``step``, ``value`` and ``initial_state``
    :param env: an environment, or a VecEnv of a single one
    :param horizon: number of steps of each trajectory
    :param reward_giver: where the rewards come from if ``gail``, see ``TrajectoryRunner``
    :param gail: whether to ask the reward giver
    :param callback: called at every step; by returning False it ends the trajectory, which is the last one
    :return: yields dicts of the arrays ``observations``, ``actions``, ``rewards``, ``true_rewards``, ``vpred``,
        ``episode_starts`` and ``dones``, (horizon,) + shape; ``nextvpred``, the value of what follows;
        ``ep_rets``, ``ep_lens`` and ``ep_true_rets`` of the episodes that ended; ``total_timestep``, the number of
        steps; and ``continue_training``, False in the last one
    """
    if gail and reward_giver is None:
        raise ValueError("gail=True, reward_giver=None: accepted with gail is a reward giver")
    if not isinstance(env, VecEnv):
        converted = gym_compat.convert_env(env)
        env = DummyVecEnv([lambda: converted])
    vec_env = env.venv if isinstance(env, _UnvecWrapper) else env
    runner = TrajectoryRunner(env=vec_env, model=policy, n_steps=horizon, reward_giver=reward_giver if gail else None,
                              offered=dict(env=env, policy=policy))
    while runner.continue_training:
        if callback is not None:
            callback.on_rollout_start()
        trajectory = runner.run(callback) or runner._trajectory()
        if callback is not None:
            callback.on_rollout_end()
        segment = {_SEGMENT_NAMES.get(name, name): value for name, value in trajectory._asdict().items()}
        del segment['ep_infos']
        yield dict(segment, continue_training=runner.continue_training)


def true_next_obs(next_obs: np.ndarray, dones: np.ndarray, infos: List[Dict[str, Any]]) -> np.ndarray:
    """
    Return the observations that the last step led to: where an episode ended, a VecEnv shows those of the next one.

    A terminal observation is never normalised, so with a VecNormalize all of them have to be the original ones.

    :param next_obs: what the VecEnv returned (or ``get_original_obs()``), shape (n_envs,) + observation shape
    :param dones: whether the step ended its episode, shape (n_envs,)
    :param infos: what the VecEnv says of each step, with the ``terminal_observation`` of the episodes that ended
    :return: shape (n_envs,) + observation shape; a copy where it differs
    """
    if True not in dones.tolist():  # of a few, faster than NumPy's own test
        return next_obs
    next_obs = next_obs.copy()
    for index in np.flatnonzero(dones):
        # some VecEnvs do not tell; what they show has no influence on a value that is not bootstrapped
        next_obs[index] = infos[index].get('terminal_observation', next_obs[index])
    return next_obs
