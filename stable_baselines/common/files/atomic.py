"""Write files that appear whole or not at all."""
import contextlib
import os
import re
import secrets
import shutil
from typing import BinaryIO, Union

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def write_whole(path: Union[str, bytes, os.PathLike], content: bytes) -> None:
    """
    Write a file so that its readers find the old content or the new one, whatever stops the writer.

    The content goes to a temporary file in the same folder, and from there to the disk, before it takes the old file's
    place. A writer holds a lock on its temporary file; those without a lock are leftovers of killed writers, which the
    next one removes. What is not a regular file, such as a device, is written to directly, and so is a file in a folder
    where no temporary one can be made.

    :param path: the file; a link stays a link
    :param content: all that it is to hold
    :raises OSError: as ``open`` does, naming ``path``
    """
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, 'wb') as device:  # or a folder, which this refuses
            device.write(content)
        return
    target = os.path.realpath(os.fsdecode(path))
    if os.path.exists(target):
        open(target, 'ab').close()  # refuses a protected file, which could be replaced nevertheless
    try:
        _remove_leftovers(target)
        _replace(target, content)
    except OSError as error:  # about the temporary file
        raise OSError(error.errno, error.strerror, os.fsdecode(path)) from None


def _replace(target: str, content: bytes) -> None:
    """Write a temporary file and put it in the place of the target."""
    try:
        file = _new_temporary(target)
    except OSError:  # a folder in which no file can be made, or a name too long for one more
        if not os.path.exists(target):
            raise
        with open(target, 'wb') as file:
            file.write(content)
        return
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if os.path.exists(target):
                with contextlib.suppress(OSError):  # where the file system knows no modes
                    shutil.copymode(target, file.name)
            if fcntl is None:
                file.close()  # Windows cannot rename open files
            os.replace(file.name, target)
    finally:
        if os.path.exists(file.name):
            os.remove(file.name)


def _new_temporary(target: str) -> BinaryIO:
    """Create a temporary file and lock it."""
    while True:
        file = open(f'{target}.{secrets.token_hex(8)}.tmp', 'xb')
        if fcntl is None:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a file system without locks, where nobody removes leftovers
            return file
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # another writer took it for a leftover before it was locked


def _remove_leftovers(target: str) -> None:
    """Remove the temporary files of this target whose writers are dead."""
    folder, name = os.path.split(target)
    try:
        others = os.listdir(folder) if fcntl is not None else []
    except OSError:  # a folder that cannot be listed
        return
    for other in others:
        if re.fullmatch(re.escape(name) + r'\.[0-9a-f]{16}\.tmp', other):
            try:
                with open(os.path.join(folder, other), 'r+b') as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while the writer lives
                    os.remove(file.name)
            except OSError:
                pass
