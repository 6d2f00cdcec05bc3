"""
A vectorised environment whose environments are in worker processes.

The parent asks and the workers answer; a worker never has more than one open question. Observations, rewards, dones
and (of array-like action spaces) actions are in shared memory, so that a step is one byte to the worker and one
byte back; infos, and whatever is not a step, are pickled. The end of the stream is the only goodbye: it tells a worker
that the parent has closed the VecEnv or is gone, and the parent that the worker has died.
"""
import functools
import itertools
import math
import multiprocessing
import operator
import os
import pickle
import signal
import socket
import time
from collections import OrderedDict
from multiprocessing import connection
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import cloudpickle
import numpy as np

from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.vec_env import subproc_ipc as ipc
from stable_baselines.common.vec_env.base_vec_env import (
    AlreadySteppingError,
    CloudpickleWrapper,
    Indices,
    NotSteppingError,
    VecEnv,
    VecStep,
    check_env_fns,
)
from stable_baselines.common.vec_env.subproc_worker import work
from stable_baselines.common.vec_env.util import dict_to_obs, obs_space_info

__all__ = ['CloudpickleWrapper', 'SubprocVecEnv', 'VecEnv']

_CHECK_INTERVAL = 0.5  # seconds between two looks at whether the workers are alive, while an answer is awaited
_SHARED_ACTION_SPACES = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


class _Worker:
    """
    A worker as the parent sees it; starts its process.

    :param context: says how processes are started
    :param indices: its environments
    :param env_fns: the functions that build them
    :param patience: seconds to wait for an answer at a time, between two looks at the workers
    :param siblings: the workers started before
    """

    def __init__(self, context: Any, indices: range, env_fns: Sequence[Any], memory: ipc.SharedMemory, patience: float,
                 siblings: Sequence['_Worker']):
        self.indices = indices
        self.at_work = np.zeros(len(indices), np.bool_)  # which of them it is busy with
        forks = context.get_start_method() == 'fork'  # only a fork copies what it is not given
        if not forks:  # by us, as a failure to unpickle it is then reported like any other
            env_fns = [cloudpickle.dumps(env_fn) for env_fn in env_fns]
        parent_end, worker_end = socket.socketpair()
        self.channel = ipc.Channel(parent_end, patience)
        inherited = [worker.channel for worker in siblings] + [self.channel]
        self.process = context.Process(target=work, daemon=True, name=_name(indices).replace(' ', '-'),
                                       args=(indices, worker_end, memory, env_fns, inherited if forks else ()))
        try:
            self.process.start()
        except BaseException:
            self.channel.close()
            raise
        finally:
            worker_end.close()

    def __str__(self) -> str:
        return self.with_envs([index for index, at_work in zip(self.indices, self.at_work) if at_work] or self.indices)

    def with_envs(self, indices: Sequence[int]) -> str:
        """Name some of its environments, and the process."""
        return f'{_name(indices)} (process {self.process.pid})'

    def close(self) -> None:
        """Close the connection, which tells the process to end, and let go of the shared memory."""
        self.channel.close()
        self.at_work = np.zeros(len(self.indices), np.bool_)

    def death(self, question: str) -> RuntimeError:
        """Describe how the process died, as an exception to raise."""
        self.process.join(1)  # the stream ends a little before the process does
        code = self.process.exitcode
        if code is None:
            how = "closed its connection"
        elif code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        else:
            how = f"ended with exit code {code}"
        if question == 'construction':
            how += ("; see what it printed, and note that a script that uses the start method 'forkserver' or 'spawn' "
                    "must have its code under if __name__ == '__main__':")
        return RuntimeError(f"{self} during {question} {how}")

    def error(self, failure: ipc.Failure, question: str, index: Optional[int] = None) -> Exception:
        """Rebuild an exception that an environment raised (None: the one at work), of the same type if possible."""
        who = self if index is None else self.with_envs([index])
        text = (f"{who} raised {failure.name} during {question}: {failure.message}\n\n"
                f"In the worker: {failure.traceback}")
        try:
            error = pickle.loads(failure.pickle or b'')
        except Exception:  # it has no pickle, or one from which it cannot be rebuilt
            return RuntimeError(text)
        if error.args == (failure.message,) or not error.args:
            error.args = (text,)
        if str(error) != text:  # a type that forms its own message, KeyError and OSError among them
            error.__cause__ = RuntimeError(text)
        return error


def _closes_on_failure(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method close the VecEnv if it raises or is interrupted: from there on it is unknown who owes an answer."""
    @functools.wraps(method)
    def wrapped(self, *args, **kwargs):
        try:
            return method(self, *args, **kwargs)
        except BaseException as error:
            if not self.closed:
                first_line = str(error).partition('\n')[0]
                self._closed_because = f"after {type(error).__name__}: {first_line}"
                self.close()
            raise
    return wrapped


class SubprocVecEnv(VecEnv):
    """
    Several environments in processes of their own: for environments that take long to compute a step.

    More environments than CPU cores do not pay, unless they wait for something else. Where one step takes well under
    a tenth of a millisecond, ``DummyVecEnv`` is faster.

    Several environments in one process (``envs_per_process``) save processor time and memory where there are more
    environments than cores and a step computes for some tenths of a millisecond at most: of eight CartPoles, four in a
    process need less than half the processor time. The results are the same, unless environments share something within
    a process (a global random generator, a simulator of which there is one): hence each has its own by default.
    Environments of a process take turns, so that those that wait in a step (for a network, a GPU, another program) wait
    one after the other.

    'forkserver' and 'spawn' are safe beside TensorFlow sessions and threads; a script that uses them must have its
    code under ``if __name__ == '__main__':``. 'fork' starts faster, but a process that has used a TensorFlow session
    must not be forked.

    An exception in a worker is raised here: of the same type where it can be pickled, else as a RuntimeError, with
    the environment's index and the worker's traceback in its message, or in its ``__cause__`` where the type forms its
    own message. A worker that dies causes a RuntimeError. After a failure or an interruption (Ctrl-C) while
    constructing, resetting or stepping, the VecEnv is closed, and no process or shared memory stays behind.
    A failure of ``env_method``, ``get_attr``, ``set_attr``, ``seed`` or rendering leaves it open.

    Infos come as a tuple and rewards as float64, as Stable Baselines 2.10: DummyVecEnv has a list and float32.
    Unlike there, observations are cast to the dtype of the observation space, as by DummyVecEnv.

    :param env_fns: functions that return an environment, called in the workers
    :param start_method: how to start the processes, one of ``multiprocessing.get_all_start_methods()``; None for
        'forkserver' where it exists, else 'spawn'
    :param timeout: seconds that the environments of a process have for an answer together, and each for its
        construction, None for ever. Those that are late are killed, the VecEnv is closed and a TimeoutError raised
    :param envs_per_process: how many environments a process has; 'auto' makes as many processes as there are CPU cores,
        or fewer
    :raises ValueError: if ``env_fns`` is empty or two in a process return the same environment, an argument is not
        accepted, or the spaces of the environments differ
    :raises TypeError: if one of ``env_fns`` cannot be called
    """

    def __init__(self, env_fns: Sequence[Callable[[], Any]], start_method: Optional[str] = None, *,
                 timeout: Optional[float] = None, envs_per_process: Union[int, str] = 1):
        env_fns = check_env_fns(env_fns)
        if timeout is not None and not timeout > 0:
            raise ValueError(f"timeout={timeout!r}: accepted is a positive number of seconds or None")
        context = _get_context(start_method)
        self._envs_per_process = _group_size(envs_per_process, len(env_fns))
        self.waiting = False  # whether answers are owed
        self.closed = False
        self._closed_because = 'close() was called'
        self._question = 'construction'  # the last one that the workers were asked
        self._timeout = math.inf if timeout is None else timeout
        self._workers: List[_Worker] = []
        self._shared: Dict[str, np.ndarray] = {}  # the rewards and so on, shape (n_envs, ...)
        self._memory = ipc.SharedMemory()
        super().__init__(len(env_fns), *self._start(context, env_fns))

    @property
    def processes(self) -> List[multiprocessing.Process]:
        """The workers' processes, in the order of their environments; none once closed."""
        return [worker.process for worker in self._workers]

    def step_async(self, actions: Any) -> None:
        self._check_idle()
        if len(actions) != self.num_envs:
            raise ValueError(f"actions={actions!r}: accepted is one for each of the {self.num_envs} environments")
        shared = self._shared.get('action')
        if (shared is not None and isinstance(actions, np.ndarray)
                and actions.dtype == shared.dtype and actions.shape == shared.shape):
            shared[...] = actions
            self._ask(self._workers, ipc.STEP, 'step')
        else:  # whatever it is, the environments get it as it is
            pickled = [ipc.dumps(action) for action in actions]
            self._ask(self._workers, ipc.STEP_WITH, 'step',
                      [ipc.dumps(pickled[worker.indices.start:worker.indices.stop]) for worker in self._workers])

    def step_wait(self) -> VecStep:
        self._check_open()
        if not self.waiting:
            raise NotSteppingError()
        infos = tuple({} if info is None else info for info in self._answers(self._workers))
        return self._copy_obs(), self._shared['reward'].copy(), self._shared['done'].copy(), infos

    def reset(self) -> Any:
        self._check_open()
        if self.waiting:
            self._answers(self._workers)
        self._exchange(self._workers, ipc.RESET, 'reset')
        return self._copy_obs()

    def seed(self, seed: Optional[int] = None) -> List[Any]:
        seeds = [None if seed is None else seed + index for index in range(self.num_envs)]
        return self._call('env_method', None, [ipc.dumps((operator.methodcaller('seed', value),)) for value in seeds])

    def get_images(self) -> Sequence[np.ndarray]:
        return self.env_method('render', mode='rgb_array')

    def get_attr(self, attr_name: str, indices: Indices = None) -> List[Any]:
        return self._call('get_attr', indices, itertools.repeat(ipc.dumps((getattr, attr_name))))

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        self._call('set_attr', indices, itertools.repeat(ipc.dumps((setattr, attr_name, value))))

    def env_method(self, method_name: str, *method_args: Any, indices: Indices = None,
                   **method_kwargs: Any) -> List[Any]:
        method = operator.methodcaller(method_name, *method_args, **method_kwargs)
        return self._call('env_method', indices, itertools.repeat(ipc.dumps((method,))))

    def close(self) -> None:
        """
        Close the environments and end their processes; a pending step is dropped.

        A worker that takes longer than five seconds for the step and for closing its environments is killed.
        """
        if self.closed:
            return
        self.closed = True
        self.waiting = False
        workers, self._workers, self._shared = self._workers, [], {}
        try:
            self._memory.close()
            for worker in workers:
                worker.close()
            deadline = time.monotonic() + ipc.CLOSE_GRACE
            for worker in workers:
                worker.process.join(max(0.0, deadline - time.monotonic()))
        finally:  # also when interrupted while waiting
            for worker in workers:
                worker.process.kill()
                worker.process.join()

    @_closes_on_failure
    def _start(self, context: Any, env_fns: Sequence[Callable[[], Any]]) -> Tuple[Any, Any]:
        """Start the workers and lay out the shared memory; return the spaces of an environment."""
        patience = min(_CHECK_INTERVAL, self._timeout)
        all_indices = range(len(env_fns))
        for first in all_indices[::self._envs_per_process]:
            group = slice(first, first + self._envs_per_process)
            self._workers.append(_Worker(context, all_indices[group], env_fns[group], self._memory, patience,
                                         self._workers))
        env_spaces = self._build(len(env_fns))
        layouts = [_layout(*pair) for pair in env_spaces]
        for index, layout in enumerate(layouts):
            if layout != layouts[0]:
                raise ValueError(f"env_fns: environment {index} has the spaces {env_spaces[index]}, environment 0 has "
                                 f"{env_spaces[0]}: accepted are spaces of the same shapes and dtypes")
        self._keys = obs_space_info(env_spaces[0][0])[0]
        self._shared = self._memory.map(len(env_fns), layouts[0])
        for worker in self._workers:
            worker.at_work = self._shared['at_work'][worker.indices.start:worker.indices.stop]
        question = ipc.dumps((len(env_fns), layouts[0], self._keys))
        self._exchange(self._workers, ipc.ATTACH, 'construction', [question] * len(self._workers))
        return env_spaces[0]

    def _build(self, n_envs: int) -> List[Tuple[Any, Any]]:
        """Build the environments, one in each worker at a time, to know which one fails; return their spaces."""
        env_spaces: List[Any] = [None] * n_envs
        for position in range(self._envs_per_process):
            workers = [worker for worker in self._workers if position < len(worker.indices)]
            for worker in workers:
                worker.at_work[position] = True
            for worker, answer in zip(workers, self._exchange(workers, ipc.BUILD, 'construction')):
                worker.at_work[position] = False
                env_spaces[worker.indices[position]] = answer
        return env_spaces

    def _check_open(self) -> None:
        """Raise a RuntimeError if the VecEnv is closed."""
        if self.closed:
            raise RuntimeError(f"this SubprocVecEnv is closed ({self._closed_because}); make a new one")

    def _check_idle(self) -> None:
        """Raise an exception if the VecEnv is closed or a step is pending."""
        self._check_open()
        if self.waiting:
            raise AlreadySteppingError()

    def _copy_obs(self) -> Any:
        """Copy the observations from shared memory, in the form of the observation space."""
        return dict_to_obs(self.observation_space,
                           OrderedDict((key, self._shared[repr(key)].copy()) for key in self._keys))

    def _call(self, name: str, indices: Indices, calls: Iterable[bytes]) -> List[Any]:
        """
        Call functions of environments; an exception that one raises leaves the VecEnv open.

        :param name: how error messages call this
        :param calls: for each environment the function and its arguments behind the environment, pickled
        :return: the result from each environment
        """
        self._check_idle()
        chosen = [range(self.num_envs)[index] for index in self._get_indices(indices)]
        if len(set(chosen)) < len(chosen):
            raise ValueError(f"indices={indices!r}: accepted is each environment once at most")
        by_index = dict(zip(chosen, calls))
        groups: Dict[_Worker, List[int]] = {}
        for index in chosen:
            groups.setdefault(self._worker(index), []).append(index)
        payloads = [ipc.dumps((group, [by_index[index] for index in group])) for group in groups.values()]
        answers = self._exchange(list(groups), ipc.CALL, name, payloads)
        answers_by_index = dict(zip(itertools.chain(*groups.values()), answers))
        for index in chosen:
            if isinstance(answers_by_index[index], ipc.Failure):
                raise self._worker(index).error(answers_by_index[index], name, index)
        return [answers_by_index[index] for index in chosen]

    def _worker(self, index: int) -> _Worker:
        """Return the worker that has an environment."""
        return self._workers[index // self._envs_per_process]

    @_closes_on_failure
    def _exchange(self, workers: Sequence[_Worker], code: bytes, question: str,
                  payloads: Optional[Sequence[bytes]] = None) -> List[Any]:
        """Ask workers and wait for their answers."""
        self._ask(workers, code, question, payloads)
        return self._answers(workers)

    @_closes_on_failure
    def _ask(self, workers: Sequence[_Worker], code: bytes, question: str,
             payloads: Optional[Sequence[bytes]] = None) -> None:
        """
        Send a question to workers.

        :param code: the question's code
        :param question: its name, for error messages
        :param payloads: the pickled value that goes with it for each worker, None for a signal
        """
        self.waiting = True
        self._question = question
        deadline = time.monotonic() + self._timeout
        for position, worker in enumerate(workers):
            try:
                if payloads is None:
                    worker.channel.signal(code)
                else:
                    look_after = functools.partial(self._look_after, [worker], deadline)
                    worker.channel.send(code, payloads[position], look_after)
            except ConnectionError:
                pass  # it has died; reading its answer will tell how

    @_closes_on_failure
    def _answers(self, workers: Sequence[_Worker]) -> List[Any]:
        """Wait for the answers to a question; return each environment's value, None where there is none."""
        deadline = time.monotonic() + self._timeout
        answers = {}
        owing = list(workers)
        while owing:
            worker = owing[-1]  # asked last, it mostly answers last: then the parent is woken once, not once for each
            try:
                code, payload = worker.channel.receive()
            except ipc.NOT_YET:
                self._look_after(owing, deadline)
                continue
            except (EOFError, ConnectionError):
                raise worker.death(self._question) from None
            owing.pop()
            if payload is None:
                answers[worker] = [None] * len(worker.indices)
                continue
            answer = pickle.loads(payload)
            if code == ipc.FAILURE:
                raise worker.error(answer, self._question)
            answers[worker] = [answer] if code == ipc.VALUE else [part and pickle.loads(part) for part in answer]
        self.waiting = False
        return [answer for worker in workers for answer in answers[worker]]

    def _look_after(self, owing: List[_Worker], deadline: float) -> None:
        """
        Check on workers that have not answered for a while.

        :param owing: the workers; those that have answered by now are moved to the end
        :param deadline: the time by which they must have answered
        :raises RuntimeError: if one has died without an answer
        :raises TimeoutError: if the time is over; the silent ones are killed
        """
        ready = connection.wait([worker.channel for worker in owing]
                                + [worker.process.sentinel for worker in owing], timeout=0)
        owing.sort(key=lambda worker: worker.channel in ready)
        silent = [worker for worker in owing if worker.channel not in ready]
        for worker in silent:
            if worker.process.sentinel in ready:  # some child of its own still holds its end of the stream
                raise worker.death(self._question)
        if silent and time.monotonic() >= deadline:
            for worker in silent:
                worker.process.kill()
            raise TimeoutError(f"no answer to {self._question} within {self._timeout} seconds (timeout) from "
                               f"{', '.join(map(str, silent))}")


def _group_size(envs_per_process: Union[int, str], n_envs: int) -> int:
    """Return how many environments a process gets; 'auto' makes as many processes as there are cores for this one."""
    if envs_per_process == 'auto':
        n_cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
        return math.ceil(n_envs / n_cores)
    if not isinstance(envs_per_process, (int, np.integer)) or isinstance(envs_per_process, bool) \
            or envs_per_process < 1:
        raise ValueError(f"envs_per_process={envs_per_process!r}: accepted is a positive integer or 'auto'")
    return min(int(envs_per_process), n_envs)


def _name(indices: Sequence[int]) -> str:
    """Name environments, which come one after the other."""
    return f'environment {indices[0]}' if len(indices) == 1 else f'environments {indices[0]} to {indices[-1]}'


def _get_context(start_method: Optional[str]) -> Any:
    """Return the multiprocessing context of a start method, None for the default one."""
    accepted = multiprocessing.get_all_start_methods()
    if start_method is None:
        # both are safe beside threads and TensorFlow sessions; forkserver starts faster
        start_method = 'forkserver' if 'forkserver' in accepted else 'spawn'
    try:
        return multiprocessing.get_context(start_method)
    except ValueError as error:  # cannot find context for ...
        raise ValueError(f"start_method={start_method!r}: {error}, accepted are {accepted} and None") from None


def _layout(observation_space: Any, action_space: Any) -> np.dtype:
    """Lay out what is shared for one environment; a part of the observation is under the ``repr`` of its key."""
    keys, shapes, dtypes = obs_space_info(observation_space)
    fields: List[Tuple] = [('reward', np.float64), ('done', np.bool_), ('at_work', np.bool_)]
    fields += [(repr(key), dtypes[key], tuple(shapes[key])) for key in keys]
    if isinstance(action_space, _SHARED_ACTION_SPACES):
        fields.append(('action', action_space.dtype, tuple(action_space.shape)))
    return np.dtype(fields, align=True)
