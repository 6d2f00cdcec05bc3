"""What runs in a worker of SubprocVecEnv: one environment, and the answers to the parent's questions about it."""
import os
import pickle
import select
import signal
import socket
import threading
import time
import traceback
from typing import Any, Callable, Dict, Optional, Sequence, Tuple, Union

import cloudpickle
import numpy as np

from stable_baselines.common.gym_compat import convert_env
from stable_baselines.common.vec_env import subproc_ipc as ipc


def work(index: int, sock: socket.socket, memory: ipc.SharedMemory, env_fn: Union[bytes, Callable[[], Any]],
         inherited: Sequence[ipc.Channel]) -> None:
    """
    Build an environment and answer the parent's questions, until it closes its end of the socket.

    :param index: the environment's index, its record in the shared memory
    :param sock: this worker's end
    :param memory: the shared memory
    :param env_fn: builds the environment, of any supported library; pickled or not
    :param inherited: the parent's ends that a fork copied: while one is open anywhere, the worker at its other end
        does not notice that the parent is gone
    """
    for channel in inherited:
        channel.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which then closes this end
    threading.Thread(target=_exit_after_parent, args=(sock,), daemon=True).start()
    channel = ipc.Channel(sock)
    server = EnvServer(index, memory)
    respond: Callable = server.build
    question: Any = env_fn  # the one question that needs no asking
    try:
        while True:
            try:
                answer = respond(question)
            except BaseException as error:  # also SystemExit: an environment does not decide when a worker ends
                channel.send(ipc.FAILURE, _describe(error))
            else:
                if answer is None:
                    channel.signal(ipc.DONE)
                else:
                    channel.send(ipc.VALUE, answer)
            code, question = channel.receive()
            respond = server.by_code[code]
    except (EOFError, ConnectionError):
        pass  # the parent has closed its end
    finally:
        if server.env is not None:
            server.env.close()


def _exit_after_parent(sock: socket.socket) -> None:
    """End this process when the parent's end has been closed for a while: a step that does not return cannot."""
    if not hasattr(select, 'poll'):  # not on Windows: there such a step outlives a parent that was killed
        return
    poller = select.poll()
    poller.register(sock, 0)  # that the other end is closed is always reported
    poller.poll()
    time.sleep(ipc.CLOSE_GRACE)
    os._exit(1)


def _describe(error: BaseException) -> bytes:
    """Pickle a ``Failure``, from which the parent can raise the exception being handled again."""
    try:
        pickled = cloudpickle.dumps(error)  # knows classes of __main__, which are the parent's own there
    except Exception:
        pickled = None
    if not isinstance(error, Exception):  # SystemExit must not end the parent
        pickled = None
    return ipc.dumps(ipc.Failure(pickled, type(error).__name__, str(error), traceback.format_exc()))


class EnvServer:
    """
    The answers to each kind of question: a pickled value, or None where there is nothing to say.

    :param index: the environment's index, its record in the shared memory
    """

    def __init__(self, index: int, memory: ipc.SharedMemory):
        self.by_code: Dict[bytes, Callable] = {ipc.STEP: self._step, ipc.STEP_WITH: self._step, ipc.RESET: self._reset,
                        ipc.ATTACH: self._attach, ipc.CALL: self._call}
        self.env: Any = None
        self._index, self._memory = index, memory
        self._shared: Dict[str, np.ndarray] = {}
        self._obs_rows: Sequence[Tuple[Any, np.ndarray]] = ()

    def build(self, env_fn: Union[bytes, Callable[[], Any]]) -> bytes:
        """Build the environment, by a function that is pickled or not; answer with its spaces."""
        self.env = convert_env(pickle.loads(env_fn)() if isinstance(env_fn, bytes) else env_fn())
        return ipc.dumps((self.env.observation_space, self.env.action_space))

    def _attach(self, question: bytes) -> None:
        """Map the shared memory, given the number of environments, the layout and the keys of the observations."""
        n_envs, layout, keys = pickle.loads(question)
        self._shared = self._memory.map(n_envs, layout)
        self._obs_rows = tuple((key, self._shared[repr(key)][self._index, ...]) for key in keys)

    def _step(self, question: Optional[bytes]) -> Optional[bytes]:
        """
        Step, and reset if that ended the episode; answer with the info unless it is empty.

        :param question: the pickled action, None if it is in shared memory
        """
        action = self._shared['action'][self._index].copy() if question is None else pickle.loads(question)
        obs, reward, done, info = self.env.step(action)
        answer = None
        if done:
            answer = ipc.dumps(dict(info, terminal_observation=obs))  # before the reset, which may reuse the array
            obs = self.env.reset()
        elif info:
            answer = ipc.dumps(info)
        self._write_obs(obs)
        self._shared['reward'][self._index] = reward
        self._shared['done'][self._index] = done
        return answer

    def _reset(self, _: None) -> None:
        """Reset the environment."""
        self._write_obs(self.env.reset())

    def _write_obs(self, obs: Any) -> None:
        """Write an observation into this environment's record, cast to the dtype of the space."""
        for key, row in self._obs_rows:
            row[...] = obs if key is None else obs[key]

    def _call(self, question: bytes) -> bytes:
        """Call a function with the environment and more arguments; a failure is an answer, not the end."""
        try:
            function, *args = pickle.loads(question)
            return ipc.dumps(function(self.env, *args))
        except BaseException as error:
            return _describe(error)
