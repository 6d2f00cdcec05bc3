"""What a training of DDPG counts between two reports."""
from collections import deque
from typing import Any, Deque, Dict, List

import numpy as np

# what is averaged over an epoch: under which name a report shows it, under which one callbacks see the numbers
MEANS = {
    'rollout/return': 'epoch_episode_rewards',  # sums of rewards
    'rollout/episode_steps': 'epoch_episode_steps',
    'rollout/actions_mean': 'epoch_actions',  # with noise
    'rollout/Q_mean': 'epoch_qs',  # of the actions without noise
    'train/loss_actor': 'epoch_actor_losses',
    'train/loss_critic': 'epoch_critic_losses',
    'train/param_noise_distance': 'epoch_adaptive_distances',  # 0 without noise on the parameters
    'eval/return': 'eval_episode_rewards',
    'eval/Q': 'eval_qs'}


class Epochs:
    """
    The statistics of a training. An epoch is what lies between two reports.

    :param n_envs: number of environments
    :param keeps_lists: whether to keep the numbers of an epoch, for callbacks; otherwise only their sums are kept
    """

    def __init__(self, n_envs: int, keeps_lists: bool):
        self.n_epochs = self.n_episodes = 0  # that ended
        self.returns: Deque[float] = deque(maxlen=100)  # of the last episodes
        self.eval_returns: Deque[float] = deque(maxlen=100)
        self.lists: Dict[str, List[Any]] = {name: [] for name in MEANS.values()}  # of this epoch
        self._keeps_lists = keeps_lists
        self._lengths = np.zeros(n_envs, int)  # of the running episodes
        self._begin()

    def _begin(self) -> None:
        """Begin an epoch."""
        self._n_episodes_before = self.n_episodes
        self._sums = {name: np.zeros(3) for name in self.lists}  # how many numbers, their sum, that of their squares
        for values in self.lists.values():
            values.clear()

    def offered(self) -> Dict[str, Any]:
        """Return what callbacks see."""
        return dict(self.lists, epoch=self.n_epochs, episodes=self.n_episodes, epoch_episodes=self._n_episodes(),
                    episode_rewards_history=self.returns, eval_episode_rewards_history=self.eval_returns,
                    episode_step=int(self._lengths[0]))

    def _n_episodes(self) -> int:
        """Return how many episodes ended in this epoch."""
        return self.n_episodes - self._n_episodes_before

    def note(self, **numbers: Any) -> None:
        """Count sequences of numbers, or of arrays of them, by the names that callbacks see."""
        for name, values in numbers.items():
            flat = np.asarray(values, float).ravel()
            self._sums[name] += np.array([flat.size, flat.sum(), flat @ flat])
            if self._keeps_lists:
                self.lists[name].extend(values)

    def end_step(self, dones: np.ndarray, returns: List[float]) -> None:
        """
        Count a step, and the episodes that it ended.

        :param dones: shape (n_envs,)
        :param returns: sums of the rewards of the episodes that ended
        """
        self._lengths += 1
        if returns:
            self.note(epoch_episode_rewards=returns, epoch_episode_steps=self._lengths[dones].tolist())
            self._lengths[dones] = 0
            self.returns.extend(returns)
            self.n_episodes += len(returns)

    def end_eval_episodes(self, returns: List[float]) -> None:
        """Count episodes that ended in the evaluation environment, with the sums of their rewards."""
        self.note(eval_episode_rewards=returns)
        self.eval_returns.extend(returns)

    def end(self) -> Dict[str, float]:
        """End the epoch and begin the next; return what is to be reported of it."""
        self.n_epochs += 1
        report: Dict[str, float] = {'rollout/episodes': self._n_episodes(), 'total/episodes': self.n_episodes,
                                    'total/epochs': self.n_epochs}
        for key, history in (('rollout', self.returns), ('eval', self.eval_returns)):
            if history:
                report[key + '/return_history'] = float(np.mean(history))
        for key, name in MEANS.items():
            count, total, squares = self._sums[name].tolist()
            if count:
                report[key] = total / count
                if name == 'epoch_actions':
                    report['rollout/actions_std'] = max(squares / count - (total / count) ** 2, 0.) ** .5
        if 'eval/Q' in report:
            report['eval/episodes'] = int(self._sums['eval_episode_rewards'][0])
        self._begin()
        return report
