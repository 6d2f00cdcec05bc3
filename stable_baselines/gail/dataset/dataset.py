"""Expert trajectories, from a file or a dict, in minibatches."""
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

    They come as a dict, or a .npz file of one: ``obs``, ``actions``, ``rewards`` and ``episode_starts`` have one row
    per step, with the episodes one after the other, and ``episode_returns`` has one entry per episode. Instead of
    images, ``obs`` may hold paths of image files, which are read when they are needed: absolute paths, or relative to
    the folder of the .npz file or to the current one. A dict has no folder of its own: its paths are relative to the
    current one.

    :param expert_path: the .npz file
    :param traj_data: the dict, instead of a file
    :param train_fraction: fraction of the steps that ``pretrain`` trains on; it validates on the rest
    :param batch_size: number of steps in a minibatch of ``pretrain``
    :param traj_limitation: use only this many episodes, from the start; -1 means all
    :param randomize: whether to split the steps at random (always the same way) and to shuffle them every epoch
    :param verbose: 1 logs what was loaded
    :param sequential_preprocessing: whether to read images only when they are asked for, rather than ahead
    """

    EXCLUDED_KEYS = {'dataloader', 'train_loader', 'val_loader'}  # from pickles

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
            folder = os.getcwd() if expert_path is None else os.path.dirname(os.path.abspath(expert_path))
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
        Prepare minibatches drawn from all steps, as GAIL uses them.

        :param batch_size: number of steps in each; the last of an epoch may have fewer
        """
        self.dataloader = self._make_loader(np.arange(self.num_transition), batch_size, self.randomize)

    def restart(self, np_random: Any) -> None:
        """
        Start a new epoch in all loaders.

        :param np_random: the generator to shuffle with from now on: ``numpy.random`` or a ``RandomState``
        """
        if self.train_loader is None:
            self._make_split_loaders()
        for loader in (self.dataloader, self.train_loader, self.val_loader):
            if loader is not None:
                loader.np_random = np_random
                iter(loader)

    def get_next_batch(self, split: Optional[str] = None) -> Minibatch:
        """
        Return the next minibatch, starting a new epoch when the last one is over.

        :param split: 'train', 'val', or None for all steps, which needs ``init_dataloader``
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

    @staticmethod
    def read_images(paths: Union[Sequence[str], np.ndarray]) -> np.ndarray:
        """
        Read images.

        :param paths: of image files of one shape
        :return: shape (n, height, width, channels), uint8
        :raises ValueError: if they have different shapes
        """
        return _stack([_read_image(path) for path in paths], paths)

    def __repr__(self) -> str:
        return (f"ExpertDataset(num_traj={self.num_traj}, num_transition={self.num_transition}, "
                f"avg_ret={self.avg_ret:g})")

    def log_info(self) -> None:
        """Log the number of episodes and steps, and the returns."""
        logger.log(f"Total trajectories: {self.num_traj}")
        logger.log(f"Total transitions: {self.num_transition}")
        logger.log(f"Average returns: {self.avg_ret}")
        logger.log(f"Std for returns: {self.std_ret}")

    def plot(self) -> None:
        """Show a histogram of the episode returns; this needs matplotlib."""
        import matplotlib.pyplot as plt
        plt.hist(self.returns)
        plt.show()

    def __getstate__(self) -> Dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in self.EXCLUDED_KEYS}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        vars(self).update(dict(train_fraction=0.7, batch_size=64), **state)  # not pickled by Stable Baselines 2.10
        self._reset_loaders()


class DataLoader:
    """
    Iterate over minibatches of (observations, actions), one epoch at a time. Threads read images ahead.

    :param indices: the rows to use
    :param observations: one row per step: observations, or paths of images
    :param actions: one row per step
    :param batch_size: number of steps in a minibatch
    :param n_workers: number of threads that read images
    :param infinite_loop: whether there are more epochs after the first
    :param max_queue_len: number of minibatches that are read ahead
    :param shuffle: whether every epoch has a random order
    :param start_process: whether to start the threads at once
    :param backend: 'threading' or 'sequential'; 'multiprocessing' and 'loky' mean 'threading' (decoding an image
        releases the interpreter lock, and a process forked from one with TensorFlow may hang)
    :param sequential: whether to read images only when they are needed, like the backend 'sequential'
    :param partial_minibatch: whether rows that do not fill a minibatch form a smaller one; otherwise they are left out
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
        self.np_random: Any = np.random  # shuffles
        self._threads: Optional[ThreadPoolExecutor] = None
        self._rows: Optional[Iterator[np.ndarray]] = None  # of the rest of the epoch; None between epochs
        self._ahead: Deque[Tuple[np.ndarray, List[Future], np.ndarray]] = deque()  # paths, images, actions
        self._is_over = False
        if start_process:
            self.start_process()

    def __len__(self) -> int:
        return self.n_minibatches

    def start_process(self) -> None:
        """Start the threads that read images ahead, if there are any to read."""
        if self.load_images and not self.sequential and self._threads is None:
            self._threads = ThreadPoolExecutor(self.n_workers)  # its threads end when it is collected

    def __iter__(self) -> 'DataLoader':
        self._rows = None
        self._ahead.clear()
        return self

    def __next__(self) -> Minibatch:
        if self._threads is None:
            return self.sequential_next()
        for rows in self._epoch():
            paths = self.observations[rows]
            images = [self._threads.submit(_read_image, path) for path in paths]
            self._ahead.append((paths, images, self.actions[rows]))
            if len(self._ahead) > self.max_queue_len:
                break
        if not self._ahead:
            self._end_epoch()
        paths, images, actions = self._ahead.popleft()
        return _stack([image.result() for image in images], paths), actions

    def sequential_next(self) -> Minibatch:
        """
        Return the next minibatch, reading images in the caller's thread.

        :return: observations and actions, (n, ...) each
        :raises StopIteration: at the end of an epoch
        """
        for rows in self._epoch():
            observations = self.observations[rows]
            if self.load_images:
                observations = ExpertDataset.read_images(observations)
            return observations, self.actions[rows]
        self._end_epoch()

    def _epoch(self) -> Iterator[np.ndarray]:
        """Return an iterator over the indices of the epoch's remaining minibatches; between epochs start a new one."""
        if self._rows is None:
            if self._is_over:
                raise StopIteration
            order = self.np_random.permutation(self.indices) if self.shuffle else self.indices
            self._rows = iter([order[index * self.batch_size:(index + 1) * self.batch_size]
                               for index in range(self.n_minibatches)])
        return self._rows

    def _end_epoch(self) -> NoReturn:
        """End the epoch, and without ``infinite_loop`` the iteration."""
        self._rows, self._is_over = None, not self.infinite_loop
        raise StopIteration


def _read(path: str) -> Dict[str, np.ndarray]:
    """Read a .npz file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {member[:-len('.npy')]: _read_array(io.BytesIO(archive.read(member)))
                    for member in archive.namelist()}
    except (OSError, _HarmfulError):
        raise
    except Exception as error:  # which one depends on where the file is damaged
        raise ValueError(f"expert_path={path!r}: accepted is a whole .npz file, as generate_expert_traj writes it; "
                         f"this one cannot be read ({error}): copy or record it again") from error


def _read_array(content: io.BytesIO) -> np.ndarray:
    """Read the content of a .npy file; arrays of objects, which older files have, may hold plain values only."""
    version = np.lib.format.read_magic(content)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    if read_header(content)[-1].hasobject:
        return _PlainUnpickler(content, encoding='latin1').load()  # Python 2's strings are bytes
    content.seek(0)
    return np.lib.format.read_array(content, allow_pickle=False)


class _HarmfulError(ValueError):
    """A pickle refers to something that is not a plain value."""


def _encode(text: str, encoding: str) -> bytes:
    """Stand in for ``_codecs.encode``, with which Python 3 pickles bytes so that Python 2 can read them."""
    if encoding != 'latin1':
        raise _HarmfulError(f"encoding={encoding!r}: accepted in a file of trajectories is 'latin1'")
    return text.encode(encoding)


class _PlainUnpickler(pickle.Unpickler):
    """Unpickle arrays and plain values, and nothing that could do harm."""

    ACCEPTED = {'_reconstruct', 'scalar', 'ndarray', 'dtype'}
    BYTES = {('_codecs', 'encode'): _encode, ('__builtin__', 'bytes'): bytes, ('builtins', 'bytes'): bytes}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self.BYTES:
            return self.BYTES[module, name]
        if module.split('.')[0] != 'numpy' or name not in self.ACCEPTED:
            raise _HarmfulError(f"{module}.{name}: accepted in a file of trajectories are arrays of plain values")
        if name in ('ndarray', 'dtype'):
            return getattr(np, name)
        return super().find_class(np.array(0).__reduce__()[0].__module__, name)  # numpy.core before NumPy 2


def _check(data: Any) -> Dict[str, np.ndarray]:
    """Refuse incomplete trajectories; return the arrays that are needed."""
    needed = ('obs', 'actions', 'episode_starts', 'episode_returns')
    missing = [name for name in needed if name not in data]
    if missing:
        raise ValueError(f"trajectories without {missing}: accepted are all of {needed}")
    arrays = {name: np.asarray(data[name]) for name in needed}
    if arrays['episode_starts'].dtype == object:  # as Stable Baselines 2.10 records a VecEnv
        arrays['episode_starts'] = np.array([bool(np.all(start)) for start in arrays['episode_starts']])
    arrays = {name: _plain(name, array) for name, array in arrays.items()}
    lengths = {name: len(arrays[name]) for name in needed[:3]}
    if len(set(lengths.values())) > 1 or not arrays['episode_starts'].any():
        raise ValueError(f"trajectories with {lengths} rows: accepted is one row per step in each, and at "
                         "least one episode")
    n_returns, n_episodes = len(arrays['episode_returns']), np.count_nonzero(arrays['episode_starts'])
    if n_returns != n_episodes:
        raise ValueError(f"trajectories with {n_returns} episode_returns: accepted is one for each of the {n_episodes} "
                         "episodes that episode_starts marks")
    return arrays


def _plain(name: str, array: np.ndarray) -> np.ndarray:
    """Return an array of objects (arrays, numbers, paths), which older files have, as one of numbers or strings."""
    if array.dtype == object and array.size > 0:
        elements = [np.asarray(os.fspath(element) if isinstance(element, os.PathLike) else element)
                    for element in array.ravel()]
        if len({element.shape for element in elements}) == 1:
            array = np.stack(elements).reshape(array.shape + elements[0].shape)
    if array.dtype.kind == 'S':
        array = np.char.decode(array, 'utf-8')
    if array.dtype.kind not in ('biufU' if name == 'obs' else 'biuf'):
        raise ValueError(f"trajectories whose {name} are of type {array.dtype}: accepted are numbers in rows of one "
                         f"shape{', or paths of images' if name == 'obs' else ''}")
    return array


def _find_image(path: str, folder: str) -> str:
    """Look for an image relative to the .npz file's folder, at the path itself, and in a folder that moved along."""
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


def _stack(images: List[np.ndarray], paths: Union[Sequence[str], np.ndarray]) -> np.ndarray:
    """Join images of one shape, (n, height, width, channels)."""
    for image, path in zip(images, paths):
        if image.shape != images[0].shape:
            raise ValueError(f"{path}: an image of shape {image.shape}: accepted is {images[0].shape}, that of "
                             f"{paths[0]}")
    return np.stack(images)


def write_image(path: str, image: np.ndarray) -> None:
    """Write an image, (height, width, channels), uint8; the ending of the path tells the format."""
    import cv2
    if not cv2.imwrite(path, _swap_colours(image)):
        raise OSError(f"{path}: the image cannot be written there")


def _swap_colours(image: np.ndarray) -> np.ndarray:
    """Swap red and blue, since OpenCV orders the channels the other way round."""
    return np.ascontiguousarray(image if image.shape[-1] == 1 else image[..., [2, 1, 0, 3][:image.shape[-1]]])
