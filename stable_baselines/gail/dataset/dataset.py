"""What an expert did: trajectories from a file, in minibatches."""
import io
import os
import pickle
import zipfile
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Deque, Dict, Iterator, List, NoReturn, Optional, Sequence, Tuple, Union

import numpy as np

from stable_baselines import logger
from stable_baselines.common.models.training import check_counts, check_numbers

Minibatch = Tuple[np.ndarray, np.ndarray]


class ExpertDataset:
    """
    Trajectories of an expert, for behaviour cloning (``pretrain``) and GAIL.

    They are a dict, or a .npz file of one: ``obs``, ``actions``, ``rewards`` and ``episode_starts`` with one row a
    step, all episodes one after the other, and ``episode_returns``, one for each episode. Instead of images, ``obs``
    may hold their paths, which are read from the disk when they are needed: absolute ones, or relative to the folder of
    the file or to the current one.

    :param expert_path: the .npz file
    :param traj_data: the dict, instead of a file
    :param train_fraction: share of the steps that ``pretrain`` learns from, between 0 and 1; the rest is for validation
    :param batch_size: number of steps in a minibatch of ``pretrain``
    :param traj_limitation: number of episodes to use, the first ones; -1 means all
    :param randomize: whether to split the steps at random, the same way each time, and to shuffle them in every epoch
    :param verbose: 1 logs what was loaded
    :param sequential_preprocessing: whether to read images only when they are asked for, rather than ahead
    """

    EXCLUDED_KEYS = {'dataloader', 'train_loader', 'val_loader'}  # what is not pickled

    def __init__(self, expert_path: Optional[str] = None, traj_data: Optional[Dict[str, Any]] = None,
                 train_fraction: float = 0.7, batch_size: int = 64, traj_limitation: int = -1, randomize: bool = True,
                 verbose: int = 1, sequential_preprocessing: bool = False):
        if (expert_path is None) == (traj_data is None):
            raise ValueError(f"expert_path={expert_path!r}, traj_data={'None' if traj_data is None else 'given'}: "
                             "accepted is one of the two")
        check_numbers(0, 1, train_fraction=train_fraction)
        if traj_limitation not in (-1, 0):  # which both mean all
            check_counts(traj_limitation=traj_limitation)
        self.train_fraction, self.batch_size = train_fraction, batch_size
        self.randomize, self.verbose = randomize, verbose
        self.sequential_preprocessing = sequential_preprocessing
        data = _check(traj_data if expert_path is None else _read(expert_path))

        starts = np.flatnonzero(data['episode_starts'])
        n_rows = starts[traj_limitation] if 0 < traj_limitation < len(starts) else len(data['obs'])
        self.observations, self.actions = data['obs'][:n_rows], data['actions'][:n_rows]
        if self.observations.dtype.kind == 'U':
            folder = os.path.dirname(os.path.abspath(expert_path or ''))
            self.observations = np.array([_find_image(path, folder) for path in self.observations])
        self.actions = self.actions[:, None] if self.actions.ndim == 1 else self.actions
        self.num_traj, self.num_transition = int((starts < n_rows).sum()), len(self.observations)
        self.returns = data['episode_returns'][:self.num_traj]
        self.avg_ret, self.std_ret = np.mean(self.returns), np.std(self.returns)
        self._reset_loaders()
        self._make_split_loaders()
        if verbose >= 1:
            self.log_info()

    def _reset_loaders(self) -> None:
        self.dataloader: Optional[DataLoader] = None
        self.train_loader: Optional[DataLoader] = None
        self.val_loader: Optional[DataLoader] = None

    def _make_split_loaders(self) -> None:
        """Split the steps for training and validation."""
        n_train = int(self.train_fraction * self.num_transition)
        if not 0 < n_train < self.num_transition:
            raise ValueError(f"train_fraction={self.train_fraction}: accepted is what leaves steps for both training "
                             f"and validation, there are {self.num_transition}")
        indices = np.arange(self.num_transition)
        if self.randomize:  # not from NumPy's global generator: a training with a seed must not depend on it
            indices = np.random.RandomState(0).permutation(indices)
        self.train_loader, self.val_loader = (
            self._make_loader(part, self.batch_size, shuffle)
            for part, shuffle in ((indices[:n_train], self.randomize), (indices[n_train:], False)))

    def _make_loader(self, indices: np.ndarray, batch_size: int, shuffle: bool) -> 'DataLoader':
        return DataLoader(indices, self.observations, self.actions, batch_size, shuffle=shuffle,
                          sequential=self.sequential_preprocessing)

    def init_dataloader(self, batch_size: int) -> None:
        """
        Prepare minibatches of all steps, which GAIL uses.

        :param batch_size: number of steps in each; an epoch may end with fewer
        """
        self.dataloader = self._make_loader(np.arange(self.num_transition), batch_size, self.randomize)

    def restart(self, np_random: Any) -> None:
        """
        Let all minibatches begin with a new epoch.

        :param np_random: NumPy's generator, or one of its own, that shuffles them from now on
        """
        if self.train_loader is None:
            self._make_split_loaders()
        for loader in (self.dataloader, self.train_loader, self.val_loader):
            if loader is not None:
                loader.np_random = np_random
                iter(loader)

    def get_next_batch(self, split: Optional[str] = None) -> Minibatch:
        """
        Return the next minibatch; after the last one of an epoch comes the first of the next.

        :param split: 'train' or 'val'; None means all steps, after ``init_dataloader``
        :return: observations and actions, (n, ...) each
        """
        if split not in (None, 'train', 'val'):
            raise ValueError(f"split={split!r}: accepted is 'train', 'val' or None")
        if split is not None and self.train_loader is None:
            self._make_split_loaders()
        loader = {None: self.dataloader, 'train': self.train_loader, 'val': self.val_loader}[split]
        if loader is None:
            raise ValueError("split=None: accepted after init_dataloader(batch_size); before it 'train' or 'val'")
        try:
            return next(loader)
        except StopIteration:
            return next(loader)

    def log_info(self) -> None:
        """Log number and returns of the episodes."""
        logger.log(f"Total trajectories: {self.num_traj}")
        logger.log(f"Total transitions: {self.num_transition}")
        logger.log(f"Average returns: {self.avg_ret}")
        logger.log(f"Std for returns: {self.std_ret}")

    def plot(self) -> None:
        """Show a histogram of the returns of the episodes, which needs matplotlib."""
        import matplotlib.pyplot as plt
        plt.hist(self.returns)
        plt.show()

    def __getstate__(self) -> Dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in self.EXCLUDED_KEYS}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        vars(self).update(dict(train_fraction=0.7, batch_size=64), **state)  # which Stable Baselines 2.10 did not keep
        self._reset_loaders()


class DataLoader:
    """
    Iterate over minibatches of (observations, actions), one epoch at a time. Images are read ahead, in threads.

    :param indices: the rows to use
    :param observations: one row a step: observations, or paths of images
    :param actions: one row a step
    :param batch_size: number of steps in a minibatch
    :param n_workers: number of threads that read images
    :param infinite_loop: whether there is another epoch after the first
    :param max_queue_len: number of minibatches that are read ahead
    :param shuffle: whether to draw the order of every epoch
    :param start_process: whether to start the threads at once
    :param backend: 'threading' ('multiprocessing' and 'loky' mean the same: decoding images leaves Python to the other
        threads, and a process that has forked from one with TensorFlow may hang), or 'sequential'
    :param sequential: whether to read images only when they are asked for, like the backend 'sequential'
    :param partial_minibatch: whether an epoch ends with a smaller minibatch if need be, rather than without those rows
    """

    BACKENDS = ('threading', 'multiprocessing', 'loky', 'sequential')

    def __init__(self, indices: Union[Sequence[int], np.ndarray], observations: np.ndarray, actions: np.ndarray,
                 batch_size: int, n_workers: int = 1, infinite_loop: bool = True, max_queue_len: int = 1,
                 shuffle: bool = False, start_process: bool = True, backend: str = 'threading',
                 sequential: bool = False, partial_minibatch: bool = True):
        check_counts(batch_size=batch_size, n_workers=n_workers, max_queue_len=max_queue_len)
        if backend not in self.BACKENDS:
            raise ValueError(f"backend={backend!r}: accepted is one of {self.BACKENDS}")
        self.indices, self.observations, self.actions = np.array(indices), observations, actions
        self.batch_size, self.n_workers = batch_size, n_workers
        self.infinite_loop, self.max_queue_len = infinite_loop, max_queue_len
        self.shuffle, self.backend = shuffle, backend
        self.sequential = sequential or backend == 'sequential'
        self.n_minibatches = len(self.indices) // batch_size
        if partial_minibatch and len(self.indices) % batch_size > 0:
            self.n_minibatches += 1
        if self.n_minibatches == 0:
            raise ValueError(f"batch_size={batch_size}: accepted is at most the number of rows, {len(self.indices)}, "
                             "or partial_minibatch=True for at least one row")
        self.load_images = observations.dtype.kind == 'U'
        self.np_random: Any = np.random  # decides the order
        self._threads: Optional[ThreadPoolExecutor] = None
        self._rows: Optional[Iterator[np.ndarray]] = None  # of the rest of the epoch; None between epochs
        self._ahead: Deque[Tuple[List[Future], np.ndarray]] = deque()  # images, actions
        self._is_over = False
        if start_process:
            self.start_process()

    def __len__(self) -> int:
        return self.n_minibatches

    def start_process(self) -> None:
        """Start the threads that read images; where nothing is to be read ahead, do nothing."""
        if self.load_images and not self.sequential and self._threads is None:
            self._threads = ThreadPoolExecutor(self.n_workers)  # they end with it

    def __iter__(self) -> 'DataLoader':
        self._rows = None
        self._ahead.clear()
        return self

    def __next__(self) -> Minibatch:
        if self._threads is None:
            return self.sequential_next()
        for rows in self._epoch():
            images = [self._threads.submit(_read_image, path) for path in self.observations[rows]]
            self._ahead.append((images, self.actions[rows]))
            if len(self._ahead) > self.max_queue_len:
                break
        if not self._ahead:
            self._end_epoch()
        images, actions = self._ahead.popleft()
        return np.stack([image.result() for image in images]), actions

    def sequential_next(self) -> Minibatch:
        """
        Return the next minibatch, read on the caller's thread.

        :return: observations and actions, (n, ...) each
        :raises StopIteration: at the end of an epoch
        """
        for rows in self._epoch():
            observations = self.observations[rows]
            if self.load_images:
                observations = np.stack([_read_image(path) for path in observations])
            return observations, self.actions[rows]
        self._end_epoch()

    def _epoch(self) -> Iterator[np.ndarray]:
        """Return what is left of the epoch, the rows of each minibatch; between epochs begin the next one."""
        if self._rows is None:
            if self._is_over:
                raise StopIteration
            order = self.np_random.permutation(self.indices) if self.shuffle else self.indices
            self._rows = iter([order[index * self.batch_size:(index + 1) * self.batch_size]
                               for index in range(self.n_minibatches)])
        return self._rows

    def _end_epoch(self) -> NoReturn:
        """End an epoch, and if there is only one, the iteration."""
        self._rows, self._is_over = None, not self.infinite_loop
        raise StopIteration


def _read(path: str) -> Dict[str, np.ndarray]:
    """Read a .npz file; of arrays of objects, which older files have, only plain values."""
    data = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            content = io.BytesIO(archive.read(member))
            name = member[:-len('.npy')]
            try:
                data[name] = np.lib.format.read_array(content, allow_pickle=False)
            except ValueError:
                data[name] = _PlainUnpickler(content).load()
    return data


class _PlainUnpickler(pickle.Unpickler):
    """Unpickles arrays and plain values, and nothing that could do harm."""

    ACCEPTED = {'_reconstruct', 'scalar', 'ndarray', 'dtype'}

    def find_class(self, module: str, name: str) -> Any:
        if module.split('.')[0] != 'numpy' or name not in self.ACCEPTED:
            raise ValueError(f"{module}.{name}: accepted in a file of trajectories are arrays of plain values")
        if name in ('ndarray', 'dtype'):
            return getattr(np, name)
        return super().find_class(np.array(0).__reduce__()[0].__module__, name)  # numpy.core before NumPy 2


def _check(data: Any) -> Dict[str, np.ndarray]:
    """Refuse trajectories that lack something; return what is needed of them."""
    needed = ('obs', 'actions', 'episode_starts', 'episode_returns')
    missing = [name for name in needed if name not in data]
    if missing:
        raise ValueError(f"trajectories without {missing}: accepted are all of {needed}")
    arrays = {name: np.asarray(data[name]) for name in needed}
    if arrays['episode_starts'].dtype == object:  # so does Stable Baselines 2.10 record a VecEnv
        arrays['episode_starts'] = np.array([bool(np.all(start)) for start in arrays['episode_starts']])
    lengths = {name: len(arrays[name]) for name in needed[:3]}
    if len(set(lengths.values())) > 1 or not arrays['episode_starts'].any():
        raise ValueError(f"trajectories with {lengths} rows: accepted is one row a step in each, and at least one "
                         "episode")
    return arrays


def _find_image(path: str, folder: str) -> str:
    """Find an image beside the file that names it, under the path itself, or in a folder that moved along with it."""
    moved = os.path.join(os.path.basename(os.path.dirname(path)), os.path.basename(path))
    candidates = [os.path.join(folder, path), path, os.path.join(folder, moved)]
    return next((candidate for candidate in candidates if os.path.isfile(candidate)), path)


def _read_image(path: str) -> np.ndarray:
    """Read an image, (height, width, channels), uint8."""
    import cv2  # slow to import
    image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise FileNotFoundError(f"{path}: accepted is an image that can be read")
    return _swap_colours(image if image.ndim == 3 else image[..., None])


def write_image(path: str, image: np.ndarray) -> None:
    """Write an image, (height, width, channels), uint8; the ending of the path tells the format."""
    import cv2
    if not cv2.imwrite(path, _swap_colours(image)):
        raise OSError(f"{path}: the image cannot be written there")


def _swap_colours(image: np.ndarray) -> np.ndarray:
    """Exchange red and blue, which OpenCV has in the other order."""
    return np.ascontiguousarray(image if image.shape[-1] == 1 else image[..., [2, 1, 0, 3][:image.shape[-1]]])
