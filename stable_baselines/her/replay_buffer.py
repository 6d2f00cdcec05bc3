"""Hindsight experience replay: episodes are also remembered as if what they achieved had been their goal."""
import copy
from collections import defaultdict
from enum import Enum
from typing import Any, DefaultDict, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np


class GoalSelectionStrategy(Enum):
    """Which goal a transition gets in hindsight: one that was achieved ..."""

    FUTURE = 0  # ... later in the same episode
    FINAL = 1  # ... at the end of the episode
    EPISODE = 2  # ... at any time in the episode
    RANDOM = 3  # ... in any transition that is remembered


KEY_TO_GOAL_STRATEGY = {strategy.name.lower(): strategy for strategy in GoalSelectionStrategy}


def find_strategy(goal_selection_strategy: Union[str, GoalSelectionStrategy]) -> GoalSelectionStrategy:
    """Return a strategy that is given as such or by its name; refuse anything else."""
    strategy = goal_selection_strategy
    if isinstance(strategy, str):
        strategy = KEY_TO_GOAL_STRATEGY.get(strategy, strategy)
    if not isinstance(strategy, GoalSelectionStrategy):
        raise ValueError(f"goal_selection_strategy={goal_selection_strategy!r}: accepted are "
                         f"{', '.join(map(repr, KEY_TO_GOAL_STRATEGY))} and the members of GoalSelectionStrategy")
    return strategy


def check_n_sampled_goal(n_sampled_goal: int) -> None:
    """Refuse what is not a number of goals."""
    if not isinstance(n_sampled_goal, (int, np.integer)) or isinstance(n_sampled_goal, bool) or n_sampled_goal < 0:
        raise ValueError(f"n_sampled_goal={n_sampled_goal!r}: accepted is a whole number, 0 or more")


class Transition(NamedTuple):
    """A step of an episode; of a whole episode, one row for each step."""

    obs: Any
    action: Any
    reward: Any
    next_obs: Any
    done: Any
    info: Any


class HindsightExperienceReplayWrapper:
    """
    A replay memory that stores, when an episode ends, its transitions and copies of them with other goals.

    Each transition is followed by its ``n_sampled_goal`` copies. A copy has another desired goal, one that was achieved
    (see ``GoalSelectionStrategy``), and the reward for it; its step does not end the episode. With 'future' the last
    transition, which has no later one, is not copied. What else the memory can do (``sample``, ``update_priorities``,
    ...) is done by the one inside.

    All copies of an episode are made at once, with a single call of ``compute_reward(achieved_goal, desired_goal,
    info)`` with arrays (n, goal_dim) and a list of n infos, where the environment can do that. From the first episode
    on its results are compared with those of single calls, until an episode brought different rewards and all were
    equal to the single ones. An environment that fails is asked for each copy singly from then on.

    :param replay_buffer: the memory, see ``common.buffers``; of one that is wrapped already, what is inside
    :param n_sampled_goal: the number of copies of each transition, 0 or more
    :param goal_selection_strategy: how their goals are chosen
    :param wrapped_env: an ``HERGoalEnvWrapper``, which takes observations apart and computes rewards
    :raises ValueError: if ``n_sampled_goal`` or ``goal_selection_strategy`` is none of these
    """

    relabels_goals = True  # what ``OffPolicyRLModel.is_using_her`` asks
    replay_buffer: Any

    def __init__(self, replay_buffer: Any, n_sampled_goal: int,
                 goal_selection_strategy: Union[str, GoalSelectionStrategy], wrapped_env: Any):
        check_n_sampled_goal(n_sampled_goal)
        if isinstance(replay_buffer, HindsightExperienceReplayWrapper):
            replay_buffer = replay_buffer.replay_buffer
        self.replay_buffer = replay_buffer
        self.n_sampled_goal = n_sampled_goal
        self.goal_selection_strategy = find_strategy(goal_selection_strategy)
        self.env = wrapped_env
        # the episodes under way, by the index of their environment
        self.episode_transitions: DefaultDict[int, List[Transition]] = defaultdict(list)
        self._rewards_batches: Optional[bool] = None  # whether ``compute_reward`` takes arrays; None: not known yet

    def __len__(self) -> int:
        return len(self.replay_buffer)

    def __getattr__(self, name: str) -> Any:
        if name == 'replay_buffer' or name.startswith('__'):  # absent while an object is being unpickled
            raise AttributeError(name)
        return getattr(self.replay_buffer, name)

    @property
    def np_random(self) -> Any:
        """Where samples and goals are drawn from; None means NumPy's global generator."""
        return self.replay_buffer.np_random

    @np_random.setter
    def np_random(self, np_random: Any) -> None:
        self.replay_buffer.np_random = np_random

    def sample(self, *args, **kwargs) -> Any:
        """Draw a batch from the memory inside, see there."""
        return self.replay_buffer.sample(*args, **kwargs)

    def can_sample(self, n_samples: int) -> bool:
        """Tell whether at least this many transitions are stored, copies included; episodes under way do not count."""
        return self.replay_buffer.can_sample(n_samples)

    def add(self, obs_t: np.ndarray, action: Any, reward: float, obs_tp1: np.ndarray, done: bool,
            info: Dict[str, Any]) -> None:
        """
        Add a transition to the episode, which is stored when it has ended.

        :param obs_t: the observation, a vector
        :param action: the action
        :param reward: the reward
        :param obs_tp1: the next observation, at the end of an episode its last one
        :param done: whether the step ended the episode
        :param info: what the environment says of the step, which ``compute_reward`` gets
        """
        self._add_to(0, Transition(obs_t, action, reward, obs_tp1, done, info))

    def extend(self, obs_t: Any, action: Any, reward: Any, obs_tp1: Any, done: Any,
               infos: Sequence[Dict[str, Any]]) -> None:
        """Add a step of n environments, each with an episode of its own; see ``add``."""
        for index, row in enumerate(zip(obs_t, action, reward, obs_tp1, done, infos)):
            self._add_to(index, Transition(*row))

    def _add_to(self, index: int, transition: Transition) -> None:
        """Add a transition to the episode of an environment, and store the episode if that is its end."""
        # copies: an environment may use its arrays again
        self.episode_transitions[index].append(Transition._make([*map(np.array, transition[:-1]), transition.info]))
        if transition.done:
            self._store(self.episode_transitions.pop(index))

    def _store(self, transitions: List[Transition]) -> None:
        """Store an episode and its copies with other goals."""
        *columns, infos = zip(*transitions)
        episode = Transition._make([*map(np.array, columns), infos])
        rewards = episode.reward.reshape(len(infos))  # each may be an array with one number
        episode = episode._replace(reward=rewards.astype(np.result_type(rewards, np.float32), copy=False))
        sources, goals = self._choose_goals(episode)
        copies = Transition(
            self._with_goals(episode.obs[sources], goals), episode.action[sources],
            self._compute_rewards(episode.next_obs[sources], goals, [infos[source] for source in sources]),
            self._with_goals(episode.next_obs[sources], goals), np.zeros_like(episode.done[sources]), None)
        # each transition is followed by its copies
        order = np.argsort(np.concatenate([np.arange(len(infos)), sources]), kind='stable')
        self.replay_buffer.extend(*(np.concatenate([original, copied])[order].astype(original.dtype, copy=False)
                                    for original, copied in zip(episode[:-1], copies)))

    def _choose_goals(self, episode: Transition) -> Tuple[np.ndarray, np.ndarray]:
        """
        Choose goals for the copies of an episode.

        :return: which transition each is a copy of, ascending, shape (n,), and its goal, shape (n, goal_dim)
        """
        n_steps, n_goals = len(episode.reward), self.n_sampled_goal
        strategy = self.goal_selection_strategy
        n_copied = n_steps - 1 if strategy is GoalSelectionStrategy.FUTURE else n_steps
        sources = np.repeat(np.arange(n_copied), n_goals)
        if strategy is GoalSelectionStrategy.FINAL:
            # Stable Baselines 2.10 takes what was achieved before the last step, which is the goal of no strategy
            return sources, np.repeat(self._achieved(episode.next_obs[-1:]), len(sources), axis=0)
        if strategy is GoalSelectionStrategy.RANDOM:
            return sources, self._achieved(self._remembered_obs(episode.obs, sources))
        # as Stable Baselines 2.10: what was achieved before a step, so that the end of an episode is never a goal
        first = sources + 1 if strategy is GoalSelectionStrategy.FUTURE else np.zeros_like(sources)
        return sources, self._achieved(episode.obs[self._draw(first, n_steps)])

    def _remembered_obs(self, episode_obs: np.ndarray, sources: np.ndarray) -> np.ndarray:
        """Draw an observation for each copy from all that is stored, and from the episode up to this transition."""
        n_stored, n_with_copies = len(self), 1 + self.n_sampled_goal
        drawn = self._draw(0, np.minimum(n_stored + sources * n_with_copies + 1, self.replay_buffer.buffer_size))
        obs = episode_obs[np.maximum(drawn - n_stored, 0) // n_with_copies]
        stored = np.flatnonzero(drawn < n_stored)
        if len(stored):
            obs[stored] = self.replay_buffer._take(drawn[stored]).obs
        return obs

    def _draw(self, low: Union[int, np.ndarray], high: Union[int, np.ndarray]) -> np.ndarray:
        """Draw integers from [low, high), in the order and with the draws of one ``np.random.choice`` each."""
        return (np.random if self.np_random is None else self.np_random).randint(low, high)

    def _achieved(self, observations: np.ndarray) -> np.ndarray:
        return self.env.convert_obs_to_dict(observations)['achieved_goal']

    def _with_goals(self, observations: np.ndarray, goals: np.ndarray) -> np.ndarray:
        """Return the observations with other desired goals, shape (n, obs_dim + 2 * goal_dim)."""
        return self.env.convert_dict_to_obs(dict(self.env.convert_obs_to_dict(observations), desired_goal=goals))

    # ---------------------------------------------------------------- rewards

    def _compute_rewards(self, next_obs: np.ndarray, goals: np.ndarray, infos: List[Dict[str, Any]]) -> np.ndarray:
        """Compute the rewards of steps that lead to observations, for other goals, shape (n,)."""
        achieved = self._achieved(next_obs)
        if self._rewards_batches:
            return self._rewards_at_once(achieved, goals, infos)
        rewards = np.array([np.reshape(self.env.compute_reward(*row), ()) for row in zip(achieved, goals, infos)],
                           float)
        if self._rewards_batches is None and len(rewards) > 1:
            if not self._same_in_a_batch(rewards, achieved, goals, infos):
                self._rewards_batches = False
            elif np.ptp(rewards) > 0:  # otherwise it may be by chance
                self._rewards_batches = True
        return rewards

    def _rewards_at_once(self, *args) -> np.ndarray:
        """Compute rewards with a single call, which may return them with the shape (n,) or (n, 1)."""
        rewards = np.asarray(self.env.compute_reward(*args), float)
        return rewards[:, 0] if rewards.shape[1:] == (1,) else rewards

    def _same_in_a_batch(self, rewards: np.ndarray, *args) -> bool:
        """Tell whether a single call of ``compute_reward`` with arrays gives the same rewards."""
        try:
            batch = self._rewards_at_once(*args)
        except Exception:  # whatever an environment does with arguments that it was not made for
            return False
        return batch.shape == rewards.shape and np.allclose(batch, rewards)

    # ---------------------------------------------------------------- what a training carries

    def get_state(self) -> Dict[str, Any]:
        """Return a copy of what is stored, and of the episodes under way."""
        return dict(memory=self.replay_buffer.get_state(), episodes=copy.deepcopy(dict(self.episode_transitions)))

    def set_state(self, state: Dict[str, Any]) -> None:
        """Store a copy of what ``get_state`` returned; see the memory inside."""
        self.replay_buffer.set_state(state['memory'])
        self.episode_transitions = defaultdict(list, copy.deepcopy(state['episodes']))
