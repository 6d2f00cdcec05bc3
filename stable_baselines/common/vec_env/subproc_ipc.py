"""How SubprocVecEnv and its workers communicate: shared memory for arrays, a socket pair for everything else."""
import mmap
import os
import pickle
import socket
import struct
import tempfile
import uuid
from multiprocessing import reduction
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

import cloudpickle
import numpy as np


class Failure(NamedTuple):
    """What a worker reports about an exception."""

    pickle: Optional[bytes]  # None if it cannot be pickled, or must not be raised in the parent
    name: str  # of its type
    message: str
    traceback: str


# the parent's questions; upper case for signals, lower case where a value follows
BUILD, ATTACH, STEP, STEP_WITH, RESET, CALL = b'B', b'a', b'S', b's', b'R', b'c'
# the worker's answers; with VALUES comes a list of values that are pickled themselves: no two may share an object
DONE, VALUE, VALUES, FAILURE = b'D', b'v', b'w', b'f'

NOT_YET = (BlockingIOError, socket.timeout)  # raised when patience runs out, by Unix and by Windows
CLOSE_GRACE = 5.0  # seconds that a worker has to finish its step and close its environment

_CHUNK = 65536  # bytes per read
_LENGTH = struct.Struct('<Q')
_HEADER_SIZE = 1 + _LENGTH.size


def dumps(value: Any) -> bytes:
    """Pickle a value: by pickle, which is fast, or by cloudpickle, which knows lambdas and classes of ``__main__``."""
    try:
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception:  # pickle raises PicklingError, AttributeError or TypeError; what cloudpickle raises is passed on
        return cloudpickle.dumps(value)


class Channel:
    """
    One end of a socket pair. A message is a one-byte code, alone (a signal) or with a pickled value behind it.

    The two ends take turns, as in question and answer, so that one read never sees two messages.

    :param sock: the end
    :param patience: seconds to wait for the other end at a time, None for ever
    """

    def __init__(self, sock: socket.socket, patience: Optional[float] = None):
        self._sock = sock
        self._received = bytearray()
        # Send a code alone, an upper-case letter. A method around this would take as long as what it does.
        self.signal = sock.send
        if os.name == 'nt':
            sock.settimeout(patience)
        elif patience is not None:  # the system breaks off waiting: ``settimeout`` takes a system call before each wait
            interval = struct.pack('ll', *divmod(max(1, int(patience * 1e6)), 1000000))  # a struct timeval; 0: for ever
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, interval)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, interval)

    def fileno(self) -> int:
        """Return the socket's descriptor, so that a channel can be waited for like a socket."""
        return self._sock.fileno()

    def send(self, code: bytes, payload: bytes, on_wait: Optional[Callable[[], None]] = None) -> None:
        """
        Send a code with a pickled value.

        :param code: one lower-case letter
        :param payload: what ``dumps`` returned
        :param on_wait: called whenever patience runs out while the other end does not read; it may raise
        :raises OSError: if the other end is gone
        """
        message = memoryview(code + _LENGTH.pack(len(payload)) + payload)
        while message:
            try:
                message = message[self._sock.send(message):]
            except NOT_YET:
                assert on_wait is not None  # only the parent has limited patience
                on_wait()

    def receive(self) -> Tuple[bytes, Optional[bytes]]:
        """
        Wait for a message.

        :return: the code and the pickled value, None behind a signal
        :raises NOT_YET: if patience runs out before it is complete; what came is kept for the next call
        :raises EOFError: if the other end is closed
        """
        while True:
            data = self._sock.recv(_CHUNK)
            if len(data) == 1 and not self._received and data.isupper():
                return data, None
            if not data:
                raise EOFError("the other end of the channel is closed")
            self._received += data
            if len(self._received) >= _HEADER_SIZE:
                size, = _LENGTH.unpack_from(self._received, 1)
                if len(self._received) == _HEADER_SIZE + size:
                    message, self._received = self._received, bytearray()
                    return bytes(message[:1]), bytes(message[_HEADER_SIZE:])

    def close(self) -> None:
        """Close this end; the other one reads the end of the stream."""
        self._sock.close()

    # a VecEnv that is dropped without close() must free its workers, too
    __del__ = close


class SharedMemory:
    """
    Memory without a name that a process and its children map: it is gone when the last of them is.

    ``multiprocessing.shared_memory`` needs Python 3.8 and leaves its blocks in /dev/shm when the processes are killed;
    ``multiprocessing.RawArray`` keeps its blocks for reuse and never gives them back on Python 3.7.
    To be pickled only while a child is started (as an argument of ``Process``).
    """

    def __init__(self):
        self._file: Any = None  # on Windows the memory has a tag instead
        if os.name == 'nt':
            self._tag = 'stable-baselines-' + uuid.uuid4().hex
        else:
            self._file = tempfile.TemporaryFile(dir='/dev/shm' if os.path.isdir('/dev/shm') else None)

    def __getstate__(self) -> Any:
        return self._tag if self._file is None else reduction.DupFd(self._file.fileno())

    def __setstate__(self, state: Any) -> None:
        if os.name == 'nt':
            self._file, self._tag = None, state
        else:
            self._file = os.fdopen(state.detach(), 'r+b')

    def map(self, n_envs: int, layout: np.dtype) -> Dict[str, np.ndarray]:
        """
        Map the memory as records, once; the process that made it comes first, and all pass the same arguments.

        The arrays hold the mapping from here on.

        :param n_envs: the number of records
        :param layout: the fields of a record
        :return: each field of all records, shape (n_envs, ...), zeros at first
        :raises OSError: if there is not that much shared memory
        """
        size = n_envs * layout.itemsize
        memory = mmap.mmap(-1, size, tagname=self._tag) if self._file is None else self._map_file(size)  # type: ignore[call-arg]
        records = np.ndarray(n_envs, layout, memory)
        return {name: records[name] for name in layout.names or ()}

    def _map_file(self, size: int) -> mmap.mmap:
        """Map the first ``size`` bytes of the file, reserving them if that was not done yet."""
        try:
            if hasattr(os, 'posix_fallocate'):  # a full /dev/shm must be an error here, not a SIGBUS at the first write
                os.posix_fallocate(self._file.fileno(), 0, size)
            else:
                os.ftruncate(self._file.fileno(), size)
        except OSError as error:
            raise OSError(error.errno, f"{size} bytes of shared memory could not be reserved ({error.strerror}); in a "
                                       "container, a larger /dev/shm helps (docker run --shm-size)") from error
        memory = mmap.mmap(self._file.fileno(), size)
        self.close()
        return memory

    def close(self) -> None:
        """Give up the memory; what is mapped stays."""
        if self._file is not None:
            self._file.close()
