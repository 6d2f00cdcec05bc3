"""What a training of DDPG counts between two reports."""
from collections import deque
from typing import Any, Deque, Dict, List

import numpy as np


class Epochs:
    """
    The statistics of a training. An epoch is what lies between two reports.

    :param n_envs: number of environments
    """

    def __init__(self, n_envs: int):
        # the names are those that callbacks see
        self.epoch = 0  # number of epochs that ended
        self.episodes = 0  # number of episodes that ended
        self.episode_rewards_history: Deque[float] = deque(maxlen=100)  # sums of rewards
        self.eval_episode_rewards_history: Deque[float] = deque(maxlen=100)
        # of the present epoch
        self.epoch_episodes = 0
        self.epoch_episode_rewards: List[float] = []
        self.epoch_episode_steps: List[int] = []
        self.epoch_actions: List[np.ndarray] = []  # with noise
        self.epoch_qs: List[np.ndarray] = []  # of the actions without noise
        self.epoch_actor_losses: List[float] = []
        self.epoch_critic_losses: List[float] = []
        self.epoch_adaptive_distances: List[float] = []  # 0 without noise on the parameters
        self.eval_episode_rewards: List[float] = []
        self.eval_qs: List[np.ndarray] = []
        self._lengths = np.zeros(n_envs, int)  # of the running episodes

    def offered(self) -> Dict[str, Any]:
        """Return what callbacks see."""
        shown = {name: value for name, value in vars(self).items() if not name.startswith('_')}
        return dict(shown, episode_step=int(self._lengths[0]))

    def end_step(self, dones: np.ndarray, episode_rewards: List[float]) -> None:
        """
        Count a step, and the episodes that it ended.

        :param dones: shape (n_envs,)
        :param episode_rewards: sums of the rewards of the episodes that ended
        """
        self._lengths += 1
        self.epoch_episode_steps.extend(self._lengths[dones].tolist())
        self._lengths[dones] = 0
        self.epoch_episode_rewards.extend(episode_rewards)
        self.episode_rewards_history.extend(episode_rewards)
        self.epoch_episodes += len(episode_rewards)
        self.episodes += len(episode_rewards)

    def end_eval_episodes(self, episode_rewards: List[float]) -> None:
        """Count episodes that ended in the evaluation environment, with the sums of their rewards."""
        self.eval_episode_rewards.extend(episode_rewards)
        self.eval_episode_rewards_history.extend(episode_rewards)

    def end(self) -> Dict[str, float]:
        """End the epoch and begin the next; return what is to be reported of it."""
        self.epoch += 1
        report: Dict[str, Any] = {'rollout/episodes': self.epoch_episodes, 'total/episodes': self.episodes,
                                  'total/epochs': self.epoch}
        means: Dict[str, Any] = {
            'rollout/return': self.epoch_episode_rewards, 'rollout/return_history': self.episode_rewards_history,
            'rollout/episode_steps': self.epoch_episode_steps, 'rollout/actions_mean': self.epoch_actions,
            'rollout/Q_mean': self.epoch_qs, 'train/loss_actor': self.epoch_actor_losses,
            'train/loss_critic': self.epoch_critic_losses, 'train/param_noise_distance': self.epoch_adaptive_distances,
            'eval/return': self.eval_episode_rewards, 'eval/return_history': self.eval_episode_rewards_history,
            'eval/Q': self.eval_qs}
        report.update((key, float(np.mean(values))) for key, values in means.items() if len(values))
        report['rollout/actions_std'] = float(np.std(self.epoch_actions))
        if self.eval_qs:
            report['eval/episodes'] = len(self.eval_episode_rewards)
        self.epoch_episodes = 0
        for values in vars(self).values():
            if isinstance(values, list):
                values.clear()
        return report
