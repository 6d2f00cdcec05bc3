"""What runs in a worker of SubprocVecEnv: its environments, and the answers to the parent's questions about them."""
import contextlib
import os
import pickle
import select
import signal
import socket
import threading
import time
import traceback
from itertools import repeat
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import cloudpickle
import numpy as np

from stable_baselines.common.gym_compat import convert_env
from stable_baselines.common.vec_env import subproc_ipc as ipc


def work(indices: range, sock: socket.socket, memory: ipc.SharedMemory,
         env_fns: Sequence[Union[bytes, Callable[[], Any]]], inherited: Sequence[ipc.Channel]) -> None:
    """
    Answer the parent's questions about environments, until it closes its end of the socket.

    :param indices: the environments' indices, their records in the shared memory
    :param sock: this worker's end
    :param memory: the shared memory
    :param env_fns: build the environments, of any supported library; pickled or not
    :param inherited: the parent's ends that a fork copied: while one is open anywhere, the worker at its other end
        does not notice that the parent is gone
    """
    for channel in inherited:
        channel.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which then closes this end
    # a pygame that has drawn would swallow SIGTERM, by which an exiting parent ends workers before it waits for them
    os.environ.setdefault('SDL_NO_SIGNAL_HANDLERS', '1')
    threading.Thread(target=_exit_after_parent, args=(sock,), daemon=True).start()
    channel = ipc.Channel(sock)
    with contextlib.ExitStack() as closing, contextlib.suppress(EOFError, ConnectionError):  # the parent has closed
        server = EnvServer(indices, env_fns, memory, closing)
        while True:
            code, question = channel.receive()
            try:
                answers = server.by_code[code](question)
            except BaseException as error:  # also SystemExit: an environment does not decide when a worker ends
                channel.send(ipc.FAILURE, describe(error))
            else:
                if not any(answers):
                    channel.signal(ipc.DONE)
                elif len(answers) == 1:
                    channel.send(ipc.VALUE, answers[0])
                else:
                    channel.send(ipc.VALUES, ipc.dumps(answers))


def _exit_after_parent(sock: socket.socket) -> None:
    """End this process when the parent's end has been closed for a while: a step that does not return cannot."""
    if not hasattr(select, 'poll'):  # not on Windows: there such a step outlives a parent that was killed
        return
    poller = select.poll()
    poller.register(sock, 0)  # that the other end is closed is always reported
    poller.poll()
    time.sleep(ipc.CLOSE_GRACE)
    os._exit(1)


def describe(error: BaseException) -> bytes:
    """Pickle a ``Failure``, from which the parent can raise the exception being handled again."""
    try:
        pickled = cloudpickle.dumps(error)  # knows classes of __main__, which are the parent's own there
    except Exception:
        pickled = None
    if not isinstance(error, Exception):  # SystemExit must not end the parent
        pickled = None
    return ipc.dumps(ipc.Failure(pickled, type(error).__name__, str(error), traceback.format_exc()))


class HostedEnv:
    """
    An environment and its record in the shared memory.

    :param index: which record
    """

    def __init__(self, index: int, env: Any):
        self.index, self.env = index, env
        self._shared: Dict[str, np.ndarray] = {}
        self._obs_rows: Sequence[Tuple[Any, np.ndarray]] = ()

    def attach(self, shared: Dict[str, np.ndarray], keys: Sequence[Any]) -> None:
        """Take the fields of all records, and the keys of the observations."""
        self._shared = shared
        self._obs_rows = tuple((key, shared[repr(key)][self.index, ...]) for key in keys)

    def step(self, pickled: Optional[bytes]) -> Optional[bytes]:
        """
        Step, and reset if that ended the episode.

        :param pickled: the action, None if it is in shared memory
        :return: the pickled info, None if it is empty
        """
        shared, index = self._shared, self.index
        action = shared['action'][index].copy() if pickled is None else pickle.loads(pickled)
        obs, reward, done, info = self.env.step(action)
        answer = None
        if done:
            answer = ipc.dumps(dict(info, terminal_observation=obs))  # before the reset, which may reuse the array
            obs = self.env.reset()
        elif info:
            answer = ipc.dumps(info)  # before the next environment steps, which may reuse the dict
        self._write_obs(obs)
        shared['reward'][index] = reward
        shared['done'][index] = done
        return answer

    def reset(self, _: None) -> None:
        """Reset the environment."""
        self._write_obs(self.env.reset())

    def call(self, pickled: bytes) -> bytes:
        """Call a function with the environment and more arguments; a failure is an answer, not the end."""
        try:
            function, *args = pickle.loads(pickled)
            return ipc.dumps(function(self.env, *args))
        except BaseException as error:
            return describe(error)

    def _write_obs(self, obs: Any) -> None:
        """Write an observation into the record, cast to the dtype of the space."""
        for key, row in self._obs_rows:
            row[...] = obs if key is None else obs[key]


class EnvServer:
    """
    The answers to each kind of question: a pickled value for each environment, or None where there is nothing to say.

    The environments take turns; where one fails to reset or to step, those behind it are left alone.

    :param closing: gets the functions that close the environments
    """

    def __init__(self, indices: range, env_fns: Sequence[Union[bytes, Callable[[], Any]]], memory: ipc.SharedMemory,
                 closing: contextlib.ExitStack):
        self.by_code: Dict[bytes, Callable[[Any], Sequence[Any]]] = {
            ipc.BUILD: self._build, ipc.ATTACH: self._attach, ipc.STEP: self._step, ipc.STEP_WITH: self._step,
            ipc.RESET: self._reset, ipc.CALL: self._call}
        self._indices, self._to_build = indices, zip(indices, env_fns)
        self._memory, self._closing = memory, closing
        self._hosted: Dict[int, HostedEnv] = {}
        self._at_work: Any = None

    def _build(self, _: None) -> Sequence[bytes]:
        """Build the next environment, by a function that is pickled or not; answer with its spaces."""
        index, env_fn = next(self._to_build)
        env = convert_env(pickle.loads(env_fn)() if isinstance(env_fn, bytes) else env_fn())
        for other in self._hosted.values():
            if other.env.unwrapped is env.unwrapped:
                raise ValueError(f"env_fns[{index}] returns the same environment as env_fns[{other.index}]: accepted "
                                 "are functions that make a new one in each call, or envs_per_process=1")
        self._closing.callback(env.close)
        self._hosted[index] = HostedEnv(index, env)
        return [ipc.dumps((env.observation_space, env.action_space))]

    def _attach(self, question: bytes) -> Sequence[None]:
        """Map the shared memory, given the number of environments, the layout and the keys of the observations."""
        n_envs, layout, keys = pickle.loads(question)
        shared = self._memory.map(n_envs, layout)
        self._at_work = memoryview(shared['at_work'])  # as the array, and faster where single elements are set
        for hosted in self._hosted.values():
            hosted.attach(shared, keys)
        return ()

    def _step(self, question: Optional[bytes]) -> List[Optional[bytes]]:
        """Step the environments, given their pickled actions, or None if those are in shared memory."""
        actions = repeat(None) if question is None else pickle.loads(question)
        return self._in_turn(HostedEnv.step, self._indices, actions)

    def _reset(self, _: None) -> List[Optional[bytes]]:
        """Reset the environments."""
        return self._in_turn(HostedEnv.reset, self._indices, repeat(None))

    def _call(self, question: bytes) -> List[Optional[bytes]]:
        """Call functions of the environments, given a list of indices and one of pickled calls."""
        return self._in_turn(HostedEnv.call, *pickle.loads(question))

    def _in_turn(self, respond: Callable[[HostedEnv, Any], Optional[bytes]], indices: Iterable[int],
                 questions: Iterable[Any]) -> List[Optional[bytes]]:
        """Put questions to environments one after the other; should this process die, the memory says at which."""
        answers, at_work = [], self._at_work
        for index, question in zip(indices, questions):
            at_work[index] = True
            answers.append(respond(self._hosted[index], question))
            at_work[index] = False
        return answers
