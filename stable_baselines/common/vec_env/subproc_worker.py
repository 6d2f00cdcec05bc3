"""What runs in a worker of SubprocVecEnv: one environment, and the answers to the parent's questions about it."""
import os
import pickle
import select
import signal
import socket
import threading
import time
import traceback
from typing import Any, Callable, Dict, Optional, Sequence

import cloudpickle

from stable_baselines.common.gym_compat import convert_env
from stable_baselines.common.vec_env import subproc_ipc as ipc
from stable_baselines.common.vec_env.base_vec_env import CloudpickleWrapper


class EnvFactory(CloudpickleWrapper):
    """
    Let a function that builds an environment travel to a worker, and unpickle it only when it is called.

    Then a failure to unpickle it is reported to the parent like any other.
    """

    def __setstate__(self, obs: bytes) -> None:
        self._pickle = obs

    def __call__(self) -> Any:
        """Build the environment."""
        if hasattr(self, '_pickle'):
            super().__setstate__(self._pickle)
        return self.var()


def work(index: int, sock: socket.socket, memory: ipc.SharedMemory, env_factory: Callable[[], Any],
         inherited: Sequence[ipc.Channel]) -> None:
    """
    Build an environment and answer the parent's questions, until it closes its end of the socket.

    :param index: the environment's index, its row in the shared arrays
    :param sock: this worker's end
    :param memory: the shared memory
    :param env_factory: builds the environment, of any supported library
    :param inherited: the parent's ends that a fork copied: while one is open anywhere, the worker at its other end
        does not notice that the parent is gone
    """
    for channel in inherited:
        channel.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which then closes this end
    threading.Thread(target=_exit_after_parent, args=(sock,), daemon=True).start()
    channel = ipc.Channel(sock)
    env = None
    try:
        try:
            env = convert_env(env_factory())
            channel.send(ipc.VALUE, ipc.dumps((env.observation_space, env.action_space)))
        except BaseException as error:
            channel.send(ipc.FAILURE, _describe(error))
            channel.receive()  # the parent only closes; a process that has ended would look like one that was killed
        _serve(channel, EnvServer(env, index, memory))
    except (EOFError, ConnectionError):
        pass  # the parent has closed its end
    finally:
        if env is not None:
            env.close()


def _exit_after_parent(sock: socket.socket) -> None:
    """End this process when the parent's end has been closed for a while: a step that does not return cannot."""
    if not hasattr(select, 'poll'):  # not on Windows: there such a step outlives a parent that was killed
        return
    poller = select.poll()
    poller.register(sock, 0)  # that the other end is closed is always reported
    poller.poll()
    time.sleep(ipc.CLOSE_GRACE)
    os._exit(1)


def _serve(channel: ipc.Channel, server: 'EnvServer') -> None:
    """Answer questions until the parent closes its end, which raises EOFError or a ConnectionError."""
    while True:
        code, question = channel.receive()
        try:
            answer = server.by_code[code](question)
        except BaseException as error:  # also SystemExit: an environment does not decide when a worker ends
            channel.send(ipc.FAILURE, _describe(error))
        else:
            if answer is None:
                channel.signal(ipc.DONE)
            else:
                channel.send(ipc.VALUE, answer)


def _describe(error: BaseException) -> bytes:
    """Pickle a ``Failure``, from which the parent can raise the exception being handled again."""
    try:
        pickled = cloudpickle.dumps(error)  # knows classes of __main__, which are the parent's own there
        pickle.loads(pickled)  # an exception with arguments of its own often pickles and cannot be rebuilt
    except Exception:
        pickled = None
    if not isinstance(error, Exception):  # SystemExit must not end the parent
        pickled = None
    return ipc.dumps(ipc.Failure(pickled, type(error).__name__, str(error), traceback.format_exc()))


class EnvServer:
    """
    The answers to each kind of question: a pickled value, or None where there is nothing to say.

    :param env: the environment, in the classic API
    """

    def __init__(self, env: Any, index: int, memory: ipc.SharedMemory):
        self.by_code = {ipc.STEP: self._step_shared, ipc.STEP_WITH: self._step_with, ipc.RESET: self._reset,
                        ipc.CALL: self._call}
        self._env = env
        self._index = index
        self._memory = memory
        self._shared: Optional[ipc.SharedArrays] = None
        self._obs_rows = ()

    def _step_shared(self, _: None) -> Optional[bytes]:
        """Step with the action in shared memory."""
        return self._step(self._shared.actions[self._index].copy())

    def _step_with(self, question: bytes) -> Optional[bytes]:
        """Step with a pickled action."""
        return self._step(pickle.loads(question))

    def _step(self, action: Any) -> Optional[bytes]:
        """Step, and reset if that ended the episode; answer with the info unless it is empty."""
        obs, reward, done, info = self._env.step(action)
        answer = None
        if done:
            answer = ipc.dumps(dict(info, terminal_observation=obs))  # before the reset, which may reuse the array
            obs = self._env.reset()
        elif info:
            answer = ipc.dumps(info)
        self._write_obs(obs)
        self._shared.rewards[self._index] = reward
        self._shared.dones[self._index] = done
        return answer

    def _reset(self, _: None) -> None:
        """Reset the environment."""
        self._write_obs(self._env.reset())

    def _write_obs(self, obs: Any) -> None:
        """Write an observation into this environment's rows, cast to the dtype of the space."""
        for key, row in self._obs_rows:
            row[...] = obs if key is None else obs[key]

    def _call(self, question: bytes) -> bytes:
        """Call one of the methods below, given its name and arguments; a failure is an answer, not the end."""
        try:
            name, args = pickle.loads(question)
            return ipc.dumps(getattr(self, name)(*args))
        except BaseException as error:
            return _describe(error)

    def attach(self, n_envs: int, layout: ipc.Layout) -> None:
        """Map the shared arrays."""
        self._shared = self._memory.map(n_envs, layout)
        self._obs_rows = tuple((key, array[self._index, ...]) for key, array in zip(layout.keys, self._shared.obs))

    def get_attr(self, attr_name: str) -> Any:
        """Read an attribute of the environment."""
        return getattr(self._env, attr_name)

    def set_attr(self, attr_name: str, value: Any) -> None:
        """Set an attribute of the environment."""
        setattr(self._env, attr_name, value)

    def env_method(self, method_name: str, args: Sequence[Any], kwargs: Dict[str, Any]) -> Any:
        """Call a method of the environment."""
        return getattr(self._env, method_name)(*args, **kwargs)
