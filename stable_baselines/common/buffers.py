"""Replay memory of the off-policy algorithms: rings of single transitions."""
import copy
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

import numpy as np

from stable_baselines.common.segment_tree import MinSegmentTree, SumSegmentTree
from stable_baselines.common.vec_env import VecNormalize

# Size of an observation, in bytes, from which the next observations are not stored a second time.
SHARED_FROM = 4096

# the arrays, and the arguments that they keep, in their order
ARGUMENTS = dict(obs='obs_t', actions='action', rewards='reward', next_obs='obs_tp1', dones='done')

Kinds = List[Tuple[np.dtype, Tuple[int, ...]]]  # dtype and shape of each argument


class Transitions(NamedTuple):
    """A batch of transitions, one row each."""

    obs: np.ndarray  # (batch_size,) + observation shape
    actions: np.ndarray  # (batch_size,) + action shape
    rewards: np.ndarray  # (batch_size,)
    next_obs: np.ndarray  # (batch_size,) + observation shape
    dones: np.ndarray  # whether the step ended its episode, (batch_size,)


class WeightedTransitions(NamedTuple):
    """A batch of transitions drawn by priority, one row each."""

    obs: np.ndarray  # (batch_size,) + observation shape
    actions: np.ndarray  # (batch_size,) + action shape
    rewards: np.ndarray  # (batch_size,)
    next_obs: np.ndarray  # (batch_size,) + observation shape
    dones: np.ndarray  # whether the step ended its episode, (batch_size,)
    weights: np.ndarray  # importance weights, at most 1, (batch_size,)
    idxes: np.ndarray  # where the transitions are stored, for ``update_priorities``, (batch_size,)


class ReplayBuffer:
    """
    A ring of transitions.

    The arrays are allocated at the first transition, which decides shapes and dtypes (rewards are floats in any case),
    and use memory as they fill. An array of integers that is given floats becomes one of floats. A million transitions
    of Pendulum take 37 MB.

    The next observation of a step is nearly always the observation of the step after it. Small observations are stored
    twice all the same, because that takes less time. Of large ones, such as frames, one is stored per transition, and
    one more for each end of an episode: 100,000 transitions of 84x84x4 frames take 2.8 GB instead of 5.6. To add
    one takes 10 microseconds instead of 4, to sample takes as long as with both. For that, the steps of n environments
    are to be given to ``extend`` together, always in the same order, those of one to ``add``, or those of an episode to
    ``extend``, equally many rows apart; in another order all is stored, and nothing is lost.

    :param size: number of transitions to keep
    :param np_random: where the samples are drawn from; None means NumPy's global generator
    """

    def __init__(self, size: int, np_random: Any = None):
        if size < 1:
            raise ValueError(f"size={size!r}: accepted is a positive integer")
        self.np_random = np_random
        self._kinds: Optional[List[Any]] = None  # of the last transition, if it takes no closer look to tell
        self._size = size
        self._next_idx = 0
        self._n_stored = 0
        self._arrays: Dict[str, np.ndarray] = {}
        # Of large observations ``_arrays['next_slot']`` says whose observation the next observation of a transition is,
        # and those that are nobody's, or nobody's yet, are here, by the slot of the transition.
        self._own_next_obs: Dict[int, np.ndarray] = {}
        self._newest: List[int] = []  # slots of the last call whose successors may come with the next one

    def __len__(self) -> int:
        return self._n_stored

    @property
    def np_random(self) -> Any:
        """Where the samples are drawn from; None means NumPy's global generator."""
        return self._np_random

    @np_random.setter
    def np_random(self, np_random: Any) -> None:
        self._np_random = None if np_random is np.random else np_random  # a module cannot be pickled

    @property
    def buffer_size(self) -> int:
        """The number of transitions to keep."""
        return self._size

    @property
    def nbytes(self) -> int:
        """The memory of the full buffer, in bytes, with the extra next observations that it has now."""
        return sum(array.nbytes for array in (*self._arrays.values(), *self._own_next_obs.values()))

    @property
    def storage(self) -> List[Tuple[Any, Any, Any, Any, Any]]:
        """A copy of what is stored, as tuples (obs, action, reward, next_obs, done)."""
        return list(zip(*self._take(np.arange(len(self))))) if self._arrays else []

    def can_sample(self, n_samples: int) -> bool:
        """Tell whether at least this many transitions are stored."""
        return len(self) >= n_samples

    def is_full(self) -> bool:
        """Tell whether the next transition will take the place of the oldest one."""
        return len(self) == self._size

    def add(self, obs_t: Any, action: Any, reward: Any, obs_tp1: Any, done: Any) -> None:
        """
        Store a transition, in the place of the oldest one if the buffer is full.

        :param obs_t: the observation
        :param action: the action
        :param reward: the reward
        :param obs_tp1: the next observation, at the end of an episode its last one
        :param done: whether the step ended its episode
        :raises ValueError: if a shape is not that of the transitions before
        """
        row: Any = (obs_t, action, reward, obs_tp1, done)
        # of a number the type says enough, and faster
        kinds = [(values.dtype, values.shape) if type(values) is np.ndarray else type(values) for values in row]
        if kinds != self._kinds:
            are_known = all(isinstance(values, (np.ndarray, np.generic, int, float)) for values in row)
            row = [np.asarray(values) for values in row]
            self._make_room([(values.dtype, values.shape) for values in row])
            self._kinds = kinds if are_known else None  # of a list it does not
        self._write(self._next_idx, 1, *row)

    def extend(self, obs_t: Any, action: Any, reward: Any, obs_tp1: Any, done: Any) -> None:
        """
        Store several transitions, such as a step of n environments; see ``add``.

        :param obs_t: the observations, one row a transition
        :param action: the actions
        :param reward: the rewards
        :param obs_tp1: the next observations
        :param done: whether the steps ended their episodes
        :raises ValueError: if these are not equally many, or if a shape is not that of the transitions before
        """
        rows = [np.asarray(values) for values in (obs_t, action, reward, obs_tp1, done)]
        counts = [len(values) for values in rows]
        if len(set(counts)) != 1:
            raise ValueError(f"obs_t, action, reward, obs_tp1, done with {counts} rows: accepted are equally many")
        n_rows = min(counts[0], self._size)
        if n_rows == 0:
            return
        kinds = [(values.dtype, values.shape[1:]) for values in rows]
        if kinds != self._kinds:
            self._make_room(kinds)
            self._kinds = kinds
        slots = (self._next_idx + np.arange(n_rows)) % self._size
        self._write(slots, n_rows, *(values[-n_rows:] for values in rows))

    def _make_room(self, kinds: Kinds) -> None:
        """See to arrays that can hold transitions of these kinds."""
        arrays = dict(self._arrays) or self._allocate(kinds)
        for (name, argument), (dtype, shape) in zip(ARGUMENTS.items(), kinds):
            name = name if name in arrays else 'obs'
            array = arrays[name]
            if shape != array.shape[1:]:
                raise ValueError(f"{argument} of the shape {shape}: accepted is that of {name} so far, "
                                 f"{array.shape[1:]}")
            if not np.can_cast(dtype, array.dtype, 'same_kind'):
                arrays[name] = np.empty(array.shape, np.result_type(array.dtype, dtype))
                arrays[name][:len(self)] = array[:len(self)]
        self._arrays = arrays

    def _allocate(self, kinds: Kinds) -> Dict[str, np.ndarray]:
        """Make the arrays for transitions of these kinds."""
        of = dict(zip(ARGUMENTS, kinds))
        dtype, shape = of['obs']
        if dtype.itemsize * np.prod(shape, dtype=int) < SHARED_FROM:
            of['next_obs'] = of['obs']
        else:
            del of['next_obs']
            of['next_slot'] = np.dtype(int), ()
        of['rewards'] = np.result_type(of['rewards'][0], np.float32), of['rewards'][1]
        return {name: np.empty((self._size,) + shape, dtype) for name, (dtype, shape) in of.items()}

    def _write(self, slots: Union[int, np.ndarray], n_rows: int, obs: Any, actions: Any, rewards: Any, next_obs: Any,
               dones: Any) -> None:
        """Store one transition in a slot, or ``n_rows`` in slots that follow each other in the ring."""
        arrays = self._arrays
        arrays['obs'][slots] = obs
        arrays['actions'][slots] = actions
        arrays['rewards'][slots] = rewards
        arrays['dones'][slots] = dones
        if 'next_obs' in arrays:
            arrays['next_obs'][slots] = next_obs
        elif isinstance(slots, int):
            self._share([slots], next_obs[None])
        else:
            self._share(slots.tolist(), next_obs)
        self._next_idx = (self._next_idx + n_rows) % self._size
        self._n_stored = min(self._n_stored + n_rows, self._size)

    def _share(self, slots: List[int], next_obs: np.ndarray) -> None:
        """Keep next observations until their successors come; the observations in ``slots`` may be such successors."""
        obs, next_slot, own = self._arrays['obs'], self._arrays['next_slot'], self._own_next_obs
        next_obs = next_obs.astype(obs.dtype, copy=False)
        for slot in slots:
            own.pop(slot, None)  # of the transition that was there
        n_apart = 0
        if len(slots) == len(self._newest):
            for before, slot in zip(self._newest, slots):
                # A slot is overwritten later than those before it, so that none refers to what is there no more.
                if before in own and np.array_equal(own[before], obs[slot]):
                    next_slot[before] = slot
                    del own[before]
                    n_apart = len(slots)  # steps of environments: none follows another of this call
        n_apart = n_apart or self._find_first_successor(slots, next_obs[0])
        for row, (slot, values) in enumerate(zip(slots, next_obs)):
            successor = slots[row + n_apart] if row + n_apart < len(slots) else slot
            if successor != slot and np.array_equal(values, obs[successor]):
                next_slot[slot] = successor
            else:
                next_slot[slot] = slot
                own[slot] = values.copy()
        self._newest = slots[-n_apart:]

    def _find_first_successor(self, slots: List[int], first_next_obs: np.ndarray) -> int:
        """Return how many rows after the first transition of a call the next one of its episode lies."""
        obs, n_rows = self._arrays['obs'], len(slots)
        return next((row for row in range(1, n_rows) if np.array_equal(obs[slots[row]], first_next_obs)), n_rows)

    def sample(self, batch_size: int, env: Optional[VecNormalize] = None, **_kwargs) -> Transitions:
        """
        Draw transitions, each with the same probability, with replacement.

        :param batch_size: number of transitions
        :param env: normalises observations and rewards; None leaves them as they are
        :return: the batch
        :raises ValueError: if nothing is stored
        """
        self._check_sample(batch_size)
        return self._take(self._generator.randint(0, len(self), batch_size), env)

    @property
    def _generator(self) -> Any:
        return np.random if self.np_random is None else self.np_random

    def _check_sample(self, batch_size: int) -> None:
        if not len(self) or batch_size < 1:
            raise ValueError(f"batch_size={batch_size!r} of {len(self)} transitions: accepted is 1 or more of some")

    def _take(self, idxes: np.ndarray, env: Optional[VecNormalize] = None) -> Transitions:
        """Return copies of the transitions at ``idxes``."""
        arrays = self._arrays
        obs, actions, rewards, dones = (arrays[name][idxes] for name in ('obs', 'actions', 'rewards', 'dones'))
        if 'next_obs' in arrays:
            next_obs = arrays['next_obs'][idxes]
        else:
            next_obs = arrays['obs'][arrays['next_slot'][idxes]]
            for row, slot in enumerate(idxes.tolist()):
                if slot in self._own_next_obs:
                    next_obs[row] = self._own_next_obs[slot]
        if env is not None:
            obs, next_obs, rewards = env.normalize_obs(obs), env.normalize_obs(next_obs), env.normalize_reward(rewards)
        return Transitions(obs, actions, rewards, next_obs, dones)

    def get_state(self) -> Dict[str, Any]:
        """Return a copy of what is stored, without the unused memory."""
        return dict(_size=self._size, _next_idx=self._next_idx, _n_stored=len(self), _newest=list(self._newest),
                    _arrays={name: array[:len(self)].copy() for name, array in self._arrays.items()},
                    _own_next_obs=copy.deepcopy(self._own_next_obs))

    def set_state(self, state: Dict[str, Any]) -> None:
        """
        Store a copy of what ``get_state`` returned.

        :param state: from a buffer of the same size
        :raises ValueError: if it is from a buffer of another size
        """
        if state['_size'] != self._size:
            raise ValueError(f"state of a buffer of size {state['_size']}: accepted is one of size {self._size}")
        vars(self).update(state, _own_next_obs=copy.deepcopy(state['_own_next_obs']), _arrays={}, _kinds=None)
        for name, rows in state['_arrays'].items():
            self._arrays[name] = np.empty((self._size,) + rows.shape[1:], rows.dtype)
            self._arrays[name][:len(rows)] = rows


class PrioritizedReplayBuffer(ReplayBuffer):
    """
    A ring of transitions that are drawn in proportion to ``priority ** alpha`` (https://arxiv.org/abs/1511.05952).

    A new transition has the highest priority ever given, at first 1. Unlike the paper, the samples of a batch are
    independent of each other, not one from each of equal shares of the probability.

    :param size: number of transitions to keep
    :param alpha: how much priorities matter, from 0 (all equal) on; typical 0.6
    :param np_random: where the samples are drawn from; None means NumPy's global generator
    """

    def __init__(self, size: int, alpha: float, np_random: Any = None):
        super().__init__(size, np_random)
        if not alpha >= 0:
            raise ValueError(f"alpha={alpha!r}: accepted is a number from 0 on")
        self._alpha = alpha
        self._max_priority = 1.0
        # of priorities to the power of alpha
        self._sums = SumSegmentTree(size)
        self._minima = MinSegmentTree(size)

    @property
    def nbytes(self) -> int:
        return super().nbytes + self._sums.nbytes + self._minima.nbytes

    def _write(self, slots: Union[int, np.ndarray], n_rows: int, *transition: Any) -> None:
        super()._write(slots, n_rows, *transition)
        self._set_weights(slots, self._max_priority ** self._alpha)

    def _set_weights(self, idxes: Union[int, np.ndarray], weights: Union[float, np.ndarray]) -> None:
        self._sums.set_unchecked(idxes, weights)
        self._minima.set_unchecked(idxes, weights)

    def sample(self, batch_size: int, beta: float = 0,  # type: ignore[override]  # as Stable Baselines 2.10
               env: Optional[VecNormalize] = None) -> WeightedTransitions:
        """
        Draw transitions by priority, with replacement.

        :param batch_size: number of transitions
        :param beta: how far the weights correct for the unequal probabilities, above 0; 1 corrects fully
        :param env: normalises observations and rewards; None leaves them as they are
        :return: the batch, with importance weights ``(n * probability) ** -beta``, divided by the largest weight that
            any stored transition has
        :raises ValueError: if nothing is stored, or beta is not above 0
        """
        self._check_sample(batch_size)
        if not beta > 0:
            raise ValueError(f"beta={beta!r}: accepted is a number above 0")
        mass = self._generator.random_sample(batch_size) * self._sums.sum()
        idxes = np.minimum(self._sums.find_unchecked(mass), len(self) - 1)  # rounding may lead past the last one
        weights = (self._minima.min() / self._sums.get_unchecked(idxes)) ** beta  # n and the sum of all cancel out
        return WeightedTransitions(*self._take(idxes, env), weights, idxes)

    def update_priorities(self, idxes: Any, priorities: Any) -> None:
        """
        Set priorities, such as absolute TD errors.

        :param idxes: of transitions, as ``sample`` returns them, shape (n,)
        :param priorities: above 0, finite, shape (n,)
        :raises ValueError: if shapes differ, if an index has no transition, or a priority is not above 0 and finite
        """
        idxes, priorities = np.asarray(idxes), np.asarray(priorities, np.float64)
        if idxes.shape != priorities.shape:
            raise ValueError(f"priorities of the shape {priorities.shape}: accepted is that of idxes, {idxes.shape}")
        if idxes.size == 0:
            return
        if not 0 <= idxes.min() <= idxes.max() < len(self):
            raise ValueError(f"idxes={idxes}: accepted is from 0 to {len(self) - 1}")
        highest = priorities.max()
        if not 0 < priorities.min() <= highest < np.inf:
            raise ValueError(f"priorities={priorities}: accepted are finite numbers above 0")
        self._set_weights(idxes, priorities ** self._alpha)
        self._max_priority = max(self._max_priority, float(highest))

    def get_state(self) -> Dict[str, Any]:
        weights = self._sums[np.arange(len(self))]
        return dict(super().get_state(), _max_priority=self._max_priority, weights=weights)

    def set_state(self, state: Dict[str, Any]) -> None:
        state = dict(state)
        weights = state.pop('weights')
        super().set_state(state)
        self._sums, self._minima = SumSegmentTree(self._size), MinSegmentTree(self._size)
        self._set_weights(np.arange(len(self)), weights)
