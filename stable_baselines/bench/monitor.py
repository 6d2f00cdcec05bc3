"""Records of episodes: reward, length, time, in a csv file and in the info dict."""
__all__ = ['Monitor', 'get_monitor_files', 'load_results']

import csv
import json
import os
import time
from glob import glob
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from stable_baselines.common.gym_compat import Wrapper

if TYPE_CHECKING:  # imported where it is used: slow to import, and a worker that only records needs none of it
    import pandas


class Monitor(Wrapper):
    """
    Record the reward, the length and the time of each episode of an environment.

    :param env: the environment, of gym or gymnasium
    :param filename: the csv file, or a folder for one; ``.monitor.csv`` is added; None for no file
    :param allow_early_resets: whether an episode may be reset before it is over
    :param reset_keywords: arguments of ``reset`` that must be given and are recorded
    :param info_keywords: entries of the last step's info that are recorded
    """
    EXT = 'monitor.csv'
    file_handler = None

    def __init__(self, env: Any, filename: Optional[str], allow_early_resets: bool = True,
                 reset_keywords: Sequence[str] = (), info_keywords: Sequence[str] = ()):
        super().__init__(env)
        self.t_start = time.time()
        self.reset_keywords = tuple(reset_keywords)
        self.info_keywords = tuple(info_keywords)
        self.allow_early_resets = allow_early_resets
        self.logger = None if filename is None else self._open(filename)
        self.rewards: Any = None  # a list, from the first reset on
        self.needs_reset = True
        self.episode_rewards: List[float] = []
        self.episode_lengths: List[int] = []
        self.episode_times: List[float] = []
        self.total_steps = 0
        self.current_reset_info: Dict[str, Any] = {}

    def _open(self, filename: str) -> csv.DictWriter:
        """Open the csv file and write its two header lines."""
        if not filename.endswith(Monitor.EXT):
            filename = os.path.join(filename, Monitor.EXT) if os.path.isdir(filename) else filename + '.' + Monitor.EXT
        # each line goes to the file at once: others read it meanwhile
        self.file_handler = open(filename, 'w', buffering=1, newline='', encoding='utf-8')
        header = {'t_start': self.t_start, 'env_id': self.spec and self.spec.id}
        self.file_handler.write(f'#{json.dumps(header)}\n')
        writer = csv.DictWriter(self.file_handler, ('r', 'l', 't') + self.reset_keywords + self.info_keywords)
        writer.writeheader()
        return writer

    def reset(self, **kwargs) -> np.ndarray:
        """
        Start an episode.

        :raises RuntimeError: if the episode is not over and ``allow_early_resets`` is off
        :raises ValueError: if one of ``reset_keywords`` is not given
        """
        if not self.allow_early_resets and not self.needs_reset:
            raise RuntimeError("the episode is not over; to allow a reset all the same, use "
                               "Monitor(env, filename, allow_early_resets=True)")
        for key in self.reset_keywords:
            if kwargs.get(key) is None:
                raise ValueError(f"{key}=None: reset() must be given all of reset_keywords={self.reset_keywords}")
        self.current_reset_info = {key: kwargs[key] for key in self.reset_keywords}
        self.rewards = []
        self.needs_reset = False
        return self.env.reset(**kwargs)

    def step(self, action: np.ndarray) -> Tuple[np.ndarray, float, bool, Dict[Any, Any]]:
        """
        Take one step.

        :return: obs, reward, done, info; at the end of an episode ``info['episode']`` is its record
        :raises RuntimeError: if the environment needs a reset
        """
        if self.needs_reset:
            raise RuntimeError("the episode is over, or was never started: reset() the environment before step()")
        obs, reward, done, info = self.env.step(action)
        self.rewards.append(reward)
        self.total_steps += 1
        if done:
            self.needs_reset = True
            info = dict(info, episode=self._finish_episode(info))
        return obs, reward, done, info

    def _finish_episode(self, info: Dict[Any, Any]) -> Dict[str, Any]:
        """Record an episode, given the info of its last step; return the record."""
        missing = [key for key in self.info_keywords if key not in info]
        if missing:
            raise KeyError(f"info_keywords={self.info_keywords}: the info of the episode's last step lacks {missing}")
        reward, length, duration = float(sum(self.rewards)), len(self.rewards), time.time() - self.t_start
        self.episode_rewards.append(reward)
        self.episode_lengths.append(length)
        self.episode_times.append(duration)
        record = {'r': round(reward, 6), 'l': length, 't': round(duration, 6),
                  **{key: info[key] for key in self.info_keywords}, **self.current_reset_info}
        if self.logger is not None:
            self.logger.writerow(record)
        return record

    def close(self) -> None:
        super().close()
        if self.file_handler is not None:
            self.file_handler.close()

    def get_total_steps(self) -> int:
        """Return the number of steps taken in all episodes, the one under way included."""
        return self.total_steps

    def get_episode_rewards(self) -> List[float]:
        """Return the reward of each episode: the sum of its steps' rewards."""
        return self.episode_rewards

    def get_episode_lengths(self) -> List[int]:
        """Return the length of each episode in steps."""
        return self.episode_lengths

    def get_episode_times(self) -> List[float]:
        """Return when each episode ended, in seconds since the monitor was made."""
        return self.episode_times


class LoadMonitorResultsError(Exception):
    """Raised when a folder has no monitor files."""


def get_monitor_files(path: str) -> List[str]:
    """List the paths of the csv files that monitors wrote into a folder."""
    return sorted(glob(os.path.join(path, '*' + Monitor.EXT)))


def load_results(path: str) -> 'pandas.DataFrame':
    """
    Load all that monitors wrote into a folder, as ``*monitor.csv`` or, long ago, as ``*monitor.json``.

    :param path: the folder
    :return: one row for each episode, in the order of their ends: ``r`` reward, ``l`` length, ``t`` seconds since the
        first monitor was made, ``index`` the row in its file, and what else was recorded
    :raises LoadMonitorResultsError: if there are no such files
    """
    import pandas
    loaded = [_load(name) for name in get_monitor_files(path) + sorted(glob(os.path.join(path, '*monitor.json')))]
    if not loaded:
        raise LoadMonitorResultsError(f"path={path!r}: accepted is a folder with files *{Monitor.EXT}")
    for header, frame in loaded:
        frame['t'] += header['t_start']
    results = pandas.concat([frame for _, frame in loaded], sort=False)
    results = results.sort_values('t', kind='stable').reset_index()
    results['t'] -= min(header['t_start'] for header, _ in loaded)
    return results


def _load(file_name: str) -> Tuple[Dict[str, Any], 'pandas.DataFrame']:
    """Load one file, a csv file or one of the old format with a json object in each line: header and episodes."""
    import pandas
    with open(file_name, encoding='utf-8') as file_handler:
        if file_name.endswith('.json'):
            header, *episodes = (json.loads(line) for line in file_handler if line.strip())
            return header, pandas.DataFrame(episodes)
        first_line = file_handler.readline()
        if not first_line.startswith('#'):
            raise ValueError(f"{file_name}: not a monitor's file, because its first line is {first_line!r}")
        return json.loads(first_line[1:]), pandas.read_csv(file_handler, index_col=None)
