"""Making registered environments, with hints where that fails."""
import contextlib
import importlib
import inspect
import re
import sys
from typing import Any

from stable_baselines.common.extras import pip_install
from stable_baselines.common.gym_compat.adapters import convert_env
from stable_baselines.common.gym_compat.libraries import CLASSIC, LIBRARY, loaded_libraries


def _is_atari(env_id: str) -> bool:
    """Tell whether an id has the form of an Atari game's id."""
    return bool(re.match(r'ALE/|.*(NoFrameskip|Deterministic)-v\d+$|\w+-ram(-|NoF|Det)', env_id))


def _import_package_of(env_id: str) -> None:
    """Import the package that registers an id, where the id tells which one that is."""
    # the old gym registers the Atari games itself
    package = 'ale_py' if _is_atari(env_id) and not CLASSIC else 'pybullet_envs' if 'BulletEnv' in env_id else None
    if package is not None:
        # where it fails (PyBullet's with an AttributeError, if gym is newer), the id is not known: the hint says why
        with contextlib.suppress(ImportError, AttributeError):
            importlib.import_module(package)


def _what_to_install(problem: str) -> str:
    """Say what helps against an error about a missing package."""
    if 'mujoco' not in problem:
        return f"What simulators need: {pip_install('box2d')} for Box2D, {pip_install('atari')} for Atari."
    if sys.version_info >= (3, 8):
        return f"Install MuJoCo with {pip_install('mujoco')}, and take the newest version of the id, such as " \
               "'Reacher-v5'."
    return "MuJoCo's environments need Python 3.8 or later. On Python 3.7 take those of PyBullet: " \
           f"{pip_install('bullet')}, with ids such as 'ReacherBulletEnv-v0'."


def _hint(env_id: str) -> str:
    """Say what may be meant by an id that no library knows."""
    name = re.sub(r'-v\d+$', '', env_id)
    registries = [library.envs.registration.registry for library in loaded_libraries()]
    # old gym's registry is an object around the dict
    known = {known for registry in registries for known in getattr(registry, 'env_specs', registry)
             if re.sub(r'-v\d+$', '', known) == name}
    if known:
        return f"Registered here: {', '.join(sorted(known))}."
    if _is_atari(env_id):
        return f"Atari games are registered by ale-py (gymnasium) or atari-py (gym 0.17): {pip_install('atari')}."
    if 'BulletEnv' in env_id:
        return "PyBullet's environments need the old gym, so Python 3.7: " \
               f"{pip_install('bullet', (3, 7))}."
    return "If another package registers it, import that package first; ids and their versions differ between " \
           "gym and gymnasium."


def make(env_id: str, **kwargs) -> Any:
    """
    Make a registered environment.

    :param env_id: looked for in the primary library, then in the other one if a package (such as PyBullet's) has
        imported it
    :param kwargs: passed on to the library's ``make``
    :return: the environment in the classic API
    :raises ValueError: if no library knows the id, with those that are similar
    :raises ImportError: if the simulator is missing, with what to install
    """
    if not isinstance(env_id, str):
        raise TypeError(f"env_id={env_id!r}: accepted is the id of a registered environment, a str")
    _import_package_of(env_id)
    errors = []
    for library in [LIBRARY] + [other for other in loaded_libraries() if other is not LIBRARY]:
        # the checker of the newer ones costs time in every step, and gym 0.26's fails with NumPy 2
        has_checker = 'disable_env_checker' in inspect.signature(library.make).parameters
        options = dict(kwargs, disable_env_checker=True) if has_checker else kwargs
        try:
            return convert_env(library.make(env_id, **options))
        except (library.error.DependencyNotInstalled, ImportError) as error:
            raise ImportError(f"env_id={env_id!r}: {error} {_what_to_install(str(error))}") from error
        except library.error.Error as error:
            errors.append(error)
    raise ValueError(f"env_id={env_id!r}: {str(errors[0]).rstrip('.')}. {_hint(env_id)}") from errors[0]
