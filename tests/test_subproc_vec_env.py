"""SubprocVecEnv does what DummyVecEnv does, and nothing can make it hang or leave something behind."""
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from stable_baselines.common.gym_compat import Env, make, spaces
from stable_baselines.common.vec_env import (
    AlreadySteppingError,
    DummyVecEnv,
    NotSteppingError,
    SubprocVecEnv,
    VecNormalize,
    subproc_ipc,
)

pytestmark = pytest.mark.skipif(not os.path.isdir('/proc/self/fd'), reason='counts processes and files in /proc')

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BOX = spaces.Box(-1, 1, (3,), np.float32)
OBSERVATION_SPACES = {
    'vector': BOX,
    'image': spaces.Box(0, 255, (12, 12, 4), np.uint8),
    'float64': spaces.Box(-1, 1, (2, 2), np.float64),
    'discrete': spaces.Discrete(5),
    'multidiscrete': spaces.MultiDiscrete([3, 4]),
    'multibinary': spaces.MultiBinary(6),
    'dict': spaces.Dict({'image': spaces.Box(0, 255, (4, 4, 1), np.uint8), 'number': spaces.Discrete(7)}),
    'tuple': spaces.Tuple((spaces.Discrete(3), BOX)),
}


class RandomEnv(Env):
    """Random observations, episodes of four steps, infos at every third step; knows its last action."""

    def __init__(self, observation_space=BOX, action_space=None):
        self.observation_space = observation_space
        self.action_space = spaces.Discrete(3) if action_space is None else action_space
        self.last_action = None
        self._rng = np.random.RandomState(0)
        self._steps = 0

    def seed(self, seed=None):
        self._rng = np.random.RandomState(seed)
        return [seed]

    def _observe(self):
        self.observation_space.seed(self._rng.randint(1 << 30))
        return self.observation_space.sample()

    def reset(self):
        self._steps = 0
        return self._observe()

    def step(self, action):
        self.last_action = action
        self._steps += 1
        info = {'steps': self._steps} if self._steps % 3 == 0 else {}
        return self._observe(), self._rng.normal(), self._steps == 4, info

    def render(self, mode='human'):
        return np.full((2, 3, 3), self._rng.randint(255), np.uint8)

    def double(self, function, number=1):
        return 2 * function(number)

    def fill(self, name, value):
        getattr(self, name)[:] = value


class BufferEnv(Env):
    """Counts steps in an array that it hands out again and again, as it does its info dict."""

    observation_space = spaces.Box(-100, 100, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self):
        self._obs = np.zeros(2, np.float32)
        self._info = {}

    def reset(self):
        self._obs[:] = 0
        return self._obs

    def step(self, action):
        self._obs += 1
        return self._obs, 1.0, self._obs[0] == 3, self._info


class UnpicklableError(Exception):
    """Pickles, and cannot be rebuilt."""

    def __init__(self, first, second):
        super().__init__(f'{first} {second}')


class FaultyEnv(RandomEnv):
    """Does ``what`` at the point ``where``."""

    def __init__(self, where, what):
        super().__init__()
        self._where, self._what = where, what
        self._act('construction')

    def _act(self, where):
        if where == self._where:
            if isinstance(self._what, BaseException):
                raise self._what
            getattr(self, self._what)()

    def reset(self):
        self._act('reset')
        return super().reset()

    def step(self, action):
        self._act('step')
        return super().step(action)

    def hang(self):
        while True:
            time.sleep(60)

    def nap(self):
        time.sleep(0.3)

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def leave(self):
        sys.exit(3)

    def send_much(self):
        raise ValueError('x' * 1000000)


def _faulty(where, what, bad_index=1, n_envs=3, others=RandomEnv):
    return [(lambda: FaultyEnv(where, what)) if index == bad_index else others for index in range(n_envs)]


def _hang():
    return FaultyEnv('step', 'hang')


def _descendants(pid):
    """List the processes below a process."""
    parents = {}
    for name in os.listdir('/proc'):
        if name.isdigit():
            try:
                with open(f'/proc/{name}/stat') as stat:
                    parents[int(name)] = int(stat.read().rpartition(')')[2].split()[1])
            except OSError:
                pass  # it has just ended
    found, todo = set(), [pid]
    while todo:
        parent = todo.pop()
        children = [child for child in parents if parents[child] == parent]
        found.update(children)
        todo += children
    return found


def _shared_memory():
    """List this process's mappings of shared memory."""
    with open('/proc/self/maps') as maps:
        return [line for line in maps if '/dev/shm' in line]


def _resources():
    gc.collect()
    return _descendants(os.getpid()), set(os.listdir('/proc/self/fd')), _shared_memory()


def _wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def _alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as stat:
            return stat.read().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


@pytest.fixture(scope='module', autouse=True)
def forkserver():
    """Start the forkserver, which stays."""
    SubprocVecEnv([RandomEnv]).close()


@pytest.fixture
def leaves_nothing():
    """Fail if a test leaves processes, descriptors or shared memory behind."""
    before = _resources()
    yield
    assert _resources() == before


def _assert_same(ours, expected):
    assert type(ours) is type(expected)
    if isinstance(expected, dict):
        assert list(ours) == list(expected)
        for key in expected:
            _assert_same(ours[key], expected[key])
    elif isinstance(expected, tuple):
        assert len(ours) == len(expected)
        for one, other in zip(ours, expected):
            _assert_same(one, other)
    else:
        assert np.asarray(ours).dtype == np.asarray(expected).dtype
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize('kind', sorted(OBSERVATION_SPACES))
def test_does_what_dummy_vec_env_does(kind):
    env_fns = [lambda: RandomEnv(OBSERVATION_SPACES[kind])] * 2
    ours, dummy = SubprocVecEnv(env_fns, start_method='fork'), DummyVecEnv(env_fns)
    assert ours.seed(3) == dummy.seed(3) == [[3], [4]]
    assert ours.observation_space == dummy.observation_space
    _assert_same(ours.reset(), dummy.reset())
    for step in range(9):
        obs, rewards, dones, infos = ours.step(np.array([0, 1]))
        dummy_obs, dummy_rewards, dummy_dones, dummy_infos = dummy.step(np.array([0, 1]))
        _assert_same(obs, dummy_obs)
        assert rewards.dtype == np.float64
        np.testing.assert_allclose(rewards, dummy_rewards, rtol=1e-6)
        assert dones.tolist() == dummy_dones.tolist() == [step % 4 == 3] * 2
        assert isinstance(infos, tuple)
        for info, dummy_info in zip(infos, dummy_infos):
            _assert_same(info, dummy_info)
    ours.close()


@pytest.mark.parametrize('start_method', ['fork', 'forkserver', 'spawn', None])
def test_start_methods(start_method, leaves_nothing):
    venv = SubprocVecEnv([lambda: make('CartPole-v1')] * 2, start_method)
    assert venv.num_envs == 2
    assert len({process.pid for process in venv.processes}) == 2
    venv.seed(0)
    obs = venv.reset()
    assert obs.shape == (2, 4) and obs.dtype == np.float32
    lengths = np.zeros(2, int)
    while True:  # pushed to one side only, a pole falls within about ten steps
        obs, rewards, dones, infos = venv.step(np.zeros(2, np.int64))
        assert rewards.tolist() == [1, 1]
        lengths += 1
        if dones.any():
            break
    assert 7 <= lengths[0] <= 11
    index = int(np.argmax(dones))
    assert abs(infos[index]['terminal_observation'][2]) > 0.2
    assert np.abs(obs[index]).max() < 0.06
    venv.close()


def test_observations_are_the_callers_own():
    venv = SubprocVecEnv([BufferEnv] * 2, 'fork')
    first = venv.reset()
    second = venv.step([0, 0])[0]
    second[:] = 50  # nor does what the caller does to them come back
    third = venv.step([0, 0])[0]
    assert (first == 0).all() and (second == 50).all() and (third == 2).all()
    venv.close()


def test_terminal_observation_of_an_environment_that_reuses_its_arrays():
    venv = SubprocVecEnv([BufferEnv], 'fork')
    venv.reset()
    for _ in range(2):
        for count in (1, 2):
            obs, _, dones, infos = venv.step([0])
            assert obs[0, 0] == count and not dones[0] and infos == ({},)
        obs, _, dones, infos = venv.step([0])
        assert obs.tolist() == [[0, 0]] and dones.tolist() == [True]
        assert infos[0]['terminal_observation'].tolist() == [3, 3]
    venv.close()


@pytest.mark.parametrize('action_space, actions', [
    (spaces.Discrete(3), np.array([2, 1])),
    (BOX, np.array([[.1, .2, .3], [.4, .5, .6]], np.float32)),
    (spaces.MultiDiscrete([3, 4]), np.array([[1, 2], [0, 3]])),
    (spaces.MultiBinary(2), np.array([[0, 1], [1, 1]], np.int8)),
    # not of the dtype of the space, or nothing that fits into an array
    (BOX, np.array([[.1, .2, .3], [.4, .5, .6]])),
    (spaces.MultiBinary(2), np.array([[0, 1], [1, 1]])),
    (spaces.Discrete(3), [2, 1]),
    (spaces.Dict({'a': BOX}), [{'a': 1}, {'a': None}]),
])
@pytest.mark.parametrize('envs_per_process', [1, 2])
def test_environments_get_the_actions_as_they_are(action_space, actions, envs_per_process):
    venv = SubprocVecEnv([lambda: RandomEnv(action_space=action_space)] * 2, 'fork', envs_per_process=envs_per_process)
    venv.reset()
    venv.step(actions)
    for received, given in zip(venv.get_attr('last_action'), actions):
        _assert_same(received, given)
    venv.close()


def test_an_environment_may_change_its_action():
    class Clips(RandomEnv):
        def step(self, action):
            action *= 0
            return super().step(action)

    actions = np.ones((1, 3), np.float32)
    venv = SubprocVecEnv([lambda: Clips(action_space=BOX)], 'fork')
    venv.reset()
    venv.step(actions)
    assert venv.get_attr('last_action')[0].tolist() == [0, 0, 0]
    assert actions.tolist() == [[1, 1, 1]]
    venv.close()


@pytest.mark.parametrize('actions', [[0], [0, 0, 0], np.zeros(3, np.int64)])
def test_number_of_actions(actions):
    venv = SubprocVecEnv([RandomEnv] * 2, 'fork')
    venv.reset()
    with pytest.raises(ValueError, match='accepted is one for each of the 2 environments'):
        venv.step(actions)
    assert venv.step([0, 0])[1].shape == (2,)
    venv.close()


def test_attributes_and_methods():
    venv = SubprocVecEnv([RandomEnv] * 3)
    venv.set_attr('speed', 1)
    venv.set_attr('speed', 2, indices=1)
    venv.set_attr('speed', 3, indices=[2])
    assert venv.get_attr('speed') == [1, 2, 3]
    assert venv.get_attr('speed', indices=[2, 0]) == [3, 1]
    assert venv.get_attr('speed', np.int64(1)) == [2]
    assert venv.env_method('double', lambda x: x + 1) == [4, 4, 4]  # a lambda, which pickle does not know
    assert venv.env_method('double', abs, number=-4, indices=range(1, 3)) == [8, 8]
    assert venv.seed(5) == [[5], [6], [7]]
    assert venv.seed() == [[None]] * 3
    with pytest.raises(ValueError, match='indices'):
        venv.get_attr('speed', indices=[1, 1])
    venv.close()


def test_rendering():
    venv = SubprocVecEnv([RandomEnv] * 2, 'fork')
    venv.seed(0)
    images = venv.get_images()
    assert [image.shape for image in images] == [(2, 3, 3)] * 2
    assert images[0].min() == np.random.RandomState(0).randint(255)
    assert venv.render('rgb_array').ndim == 3
    venv.close()


def test_messages_larger_than_the_socket_holds():
    venv = SubprocVecEnv([RandomEnv] * 2, 'fork')
    table = np.arange(1 << 20)
    venv.set_attr('table', table)
    np.testing.assert_array_equal(venv.get_attr('table')[1], table)
    venv.close()


def test_order_of_calls():
    venv = SubprocVecEnv([BufferEnv] * 2, 'fork')
    venv.reset()
    with pytest.raises(NotSteppingError):
        venv.step_wait()
    venv.step_async([0, 0])
    for call in (lambda: venv.step_async([0, 0]), lambda: venv.get_attr('metadata'), venv.seed):
        with pytest.raises(AlreadySteppingError):
            call()
    assert venv.step_wait()[0].tolist() == [[1, 1]] * 2
    venv.step_async([0, 0])
    assert venv.reset().tolist() == [[0, 0]] * 2  # the pending step is dropped
    with pytest.raises(NotSteppingError):
        venv.step_wait()
    assert venv.step([0, 0])[0].tolist() == [[1, 1]] * 2
    venv.close()


@pytest.mark.parametrize('pending', [False, True])
def test_close(pending, leaves_nothing):
    venv = VecNormalize(SubprocVecEnv(_faulty('step', 'nap')))
    venv.reset()
    if pending:
        venv.step_async(np.zeros(3, np.int64))
    venv.close()
    venv.close()
    assert venv.venv.closed
    for call in (venv.reset, lambda: venv.step([0] * 3), venv.step_wait, lambda: venv.get_attr('x'), venv.seed):
        with pytest.raises(RuntimeError, match=r'closed \(close\(\) was called\)'):
            call()


def test_close_waits_for_the_environments(tmpdir):
    class Closes(RandomEnv):
        def __init__(self, path):
            super().__init__()
            self._path = path

        def close(self):
            time.sleep(0.2)
            self._path.write('closed')

    paths = [tmpdir.join(name) for name in 'ab']
    SubprocVecEnv([lambda p=path: Closes(p) for path in paths]).close()
    assert [path.read() for path in paths] == ['closed'] * 2


def test_close_kills_what_does_not_return(monkeypatch, leaves_nothing):
    monkeypatch.setattr(subproc_ipc, 'CLOSE_GRACE', 0.2)
    venv = SubprocVecEnv([_hang] * 2)
    venv.reset()
    venv.step_async([0, 0])
    venv.close()


def test_dropped_without_close(leaves_nothing):
    venv = SubprocVecEnv([RandomEnv] * 2)
    venv.reset()
    processes = venv.processes
    del venv
    gc.collect()
    for process in processes:
        process.join(20)
        assert process.exitcode == 0


def test_shared_memory_has_no_name():
    before = _shared_memory()
    venv = SubprocVecEnv([RandomEnv] * 2)
    mappings = [line for line in _shared_memory() if line not in before]
    assert len(mappings) == 1 and mappings[0].rstrip().endswith('(deleted)')
    venv.close()
    assert _shared_memory() == before


# failures


@pytest.mark.parametrize('where', ['construction', 'reset', 'step'])
@pytest.mark.parametrize('start_method', ['fork', 'forkserver'])
def test_exception_in_a_worker(where, start_method, leaves_nothing):
    venv = None
    with pytest.raises(ValueError) as caught:
        venv = SubprocVecEnv(_faulty(where, ValueError('no such table')), start_method)
        venv.reset()
        venv.step([0, 0, 0])
    message = str(caught.value)
    assert type(caught.value) is ValueError
    assert f'during {where}: no such table' in message and 'environment 1 (' in message
    assert 'Traceback (most recent call last)' in message and 'raise self._what' in message
    assert (venv is None) == (where == 'construction')
    if venv is not None:
        assert venv.closed and venv.processes == []
        with pytest.raises(RuntimeError, match='closed .*no such table'):
            venv.step([0, 0, 0])


@pytest.mark.parametrize('error, raised', [
    (KeyError('key'), KeyError),
    (OSError(28, 'disk full'), OSError),
    (UnpicklableError('no', 'rebuild'), RuntimeError),
    (SystemExit(3), RuntimeError),
    (KeyboardInterrupt(), RuntimeError),
    (AssertionError(), AssertionError),
], ids=lambda value: getattr(value, '__name__', type(value).__name__))
def test_types_of_exceptions(error, raised, leaves_nothing):
    venv = SubprocVecEnv(_faulty('step', error), 'fork')
    venv.reset()
    with pytest.raises(raised) as caught:
        venv.step([0, 0, 0])
    assert type(caught.value) is raised
    told = f'{caught.value} {caught.value.__cause__}'
    assert f'raised {type(error).__name__} during step' in told and 'environment 1 (' in told and 'Traceback' in told
    if raised in (KeyError, OSError):
        assert caught.value.args == error.args


def test_exception_class_of_main():
    """A class of the script itself is another class in the worker; it must come back as the script's own."""
    script = '''
        from stable_baselines.common.vec_env import SubprocVecEnv
        class OwnError(Exception):
            pass
        def build():
            raise OwnError('mine')
        if __name__ == '__main__':
            try:
                SubprocVecEnv([build])
            except OwnError as error:
                print('caught', str(error).splitlines()[0])
    '''
    assert 'raised OwnError during construction: mine' in _run(script)


def test_failing_calls_leave_it_open():
    venv = SubprocVecEnv([RandomEnv] * 2, 'fork')
    with pytest.raises(AttributeError, match="environment 0 .*'nonsense'(.|\n)*Traceback"):
        venv.get_attr('nonsense')
    with pytest.raises(TypeError, match="environment 1 "):
        venv.env_method('double', None, indices=1)
    with pytest.raises(RuntimeError, match="SystemExit"):
        venv.env_method('double', sys.exit)
    with pytest.raises(TypeError, match='pickle'):
        venv.set_attr('lock', threading.Lock())
    assert venv.reset().shape == (2, 3)
    venv.close()


@pytest.mark.parametrize('where', ['construction', 'reset', 'step'])
def test_worker_that_dies(where, leaves_nothing):
    with pytest.raises(RuntimeError, match=f'environment 1 .* during {where} was killed by SIGKILL'):
        venv = SubprocVecEnv(_faulty(where, 'die'))
        venv.reset()
        venv.step([0, 0, 0])


def test_killed_while_another_one_does_not_answer(leaves_nothing, monkeypatch):
    monkeypatch.setattr(subproc_ipc, 'CLOSE_GRACE', 0.2)
    venv = SubprocVecEnv([_hang] * 3)
    venv.reset()
    venv.step_async([0, 0, 0])
    os.kill(venv.processes[0].pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match='environment 0 .* during step was killed by SIGKILL'):
        venv.step_wait()
    assert venv.closed


def test_failure_while_another_one_does_not_answer(leaves_nothing, monkeypatch):
    monkeypatch.setattr(subproc_ipc, 'CLOSE_GRACE', 0.2)
    venv = SubprocVecEnv(_faulty('step', ValueError('early'), others=_hang))
    venv.reset()
    with pytest.raises(ValueError, match='environment 1 .*early'):
        venv.step([0, 0, 0])


@pytest.mark.parametrize('call', [
    lambda venv: venv.step([0, 0]),
    lambda venv: venv.step(np.zeros(2, np.int64)),
    lambda venv: venv.reset(),
    lambda venv: venv.set_attr('x', np.zeros(1 << 20)),
])
def test_killed_between_calls(call, leaves_nothing):
    venv = SubprocVecEnv([RandomEnv] * 2)
    venv.reset()
    victim = venv.processes[1]
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    with pytest.raises(RuntimeError, match='environment 1 .* was killed by SIGKILL'):
        call(venv)
    with pytest.raises(RuntimeError, match='closed'):
        venv.reset()


@pytest.mark.parametrize('where', ['construction', 'step'])
def test_timeout(where, leaves_nothing):
    env_fns = _faulty(where, 'hang')
    with pytest.raises(TimeoutError, match=f'no answer to {where} within .* environment 1 \\(process [0-9]+\\)$'):
        venv = SubprocVecEnv(env_fns, 'fork', timeout=0.5)
        venv.reset()
        venv.step([0, 0, 0])


def test_timeout_of_a_stopped_process(leaves_nothing):
    venv = SubprocVecEnv([RandomEnv] * 2, 'fork', timeout=0.3)
    os.kill(venv.processes[0].pid, signal.SIGSTOP)
    with pytest.raises(TimeoutError, match='no answer to set_attr within 0.3 seconds .* environment 0'):
        venv.set_attr('x', np.zeros(1 << 20))  # more than the socket holds: sending has to wait, too
    assert venv.closed


def test_large_failure_message(leaves_nothing):
    venv = SubprocVecEnv(_faulty('step', 'send_much'))
    venv.reset()
    with pytest.raises(ValueError, match='x{1000000}'):
        venv.step([0, 0, 0])


def test_env_function_that_cannot_be_unpickled(leaves_nothing, tmpdir, monkeypatch):
    tmpdir.join('only_here.py').write('def build():\n    raise ValueError("built")\n')
    monkeypatch.syspath_prepend(str(tmpdir))
    import only_here
    build = only_here.build
    monkeypatch.undo()
    with pytest.raises(ImportError, match='only_here') as caught:
        SubprocVecEnv([build])
    assert 'environment 0 (' in str(caught.value.__cause__)


@pytest.mark.parametrize('env_fns, start_method, timeout, error, match', [
    ([], None, None, ValueError, 'env_fns'),
    ([RandomEnv, None], None, None, TypeError, r'env_fns\[1\]=None'),
    ([RandomEnv], 'spoon', None, ValueError, "='spoon': cannot find context for 'spoon', accepted .*forkserver"),
    ([RandomEnv], None, 0, ValueError, 'timeout=0'),
    ([RandomEnv, BufferEnv], 'fork', None, ValueError, 'environment 1 has the spaces'),
    ([RandomEnv, dict], 'fork', None, Exception, 'environment 1 '),
])
def test_bad_arguments(env_fns, start_method, timeout, error, match, leaves_nothing):
    with pytest.raises(error, match=match):
        SubprocVecEnv(env_fns, start_method, timeout=timeout)


# several environments in a process


def _assert_same_step(ours, expected):
    for one, other in zip(ours, expected):
        if isinstance(other, tuple) and isinstance(other[0], dict):  # infos
            assert isinstance(one, tuple) and len(one) == len(other)
            for info, other_info in zip(one, other):
                _assert_same(info, other_info)
        else:
            _assert_same(one, other)


@pytest.mark.parametrize('kind', sorted(OBSERVATION_SPACES))
def test_grouping_changes_no_result(kind):
    env_fns = [lambda: RandomEnv(OBSERVATION_SPACES[kind])] * 5
    grouped, alone = SubprocVecEnv(env_fns, 'fork', envs_per_process=2), SubprocVecEnv(env_fns, 'fork')
    assert (len(grouped.processes), len(alone.processes)) == (3, 5)
    assert grouped.seed(3) == alone.seed(3) == [[3], [4], [5], [6], [7]]
    assert grouped.observation_space == alone.observation_space and grouped.action_space == alone.action_space
    _assert_same(grouped.reset(), alone.reset())
    for actions in np.random.RandomState(0).randint(3, size=(200, 5)):
        _assert_same_step(grouped.step(actions), alone.step(actions))
    assert grouped.get_attr('last_action') == alone.get_attr('last_action') == actions.tolist()
    _assert_same(grouped.render('rgb_array'), alone.render('rgb_array'))
    _assert_same(tuple(grouped.get_images()), tuple(alone.get_images()))
    _assert_same(grouped.reset(), alone.reset())
    grouped.close()
    alone.close()


@pytest.mark.parametrize('start_method', ['fork', 'forkserver'])
def test_grouping_changes_no_result_of_cartpole(start_method, leaves_nothing):
    env_fns = [lambda: make('CartPole-v1')] * 5
    venvs = [SubprocVecEnv(env_fns, start_method, envs_per_process=size) for size in (1, 3)]
    for venv in venvs:
        venv.seed(0)
    _assert_same(*[venv.reset() for venv in venvs])
    n_episodes = 0
    for actions in np.random.RandomState(0).randint(2, size=(400, 5)):
        alone, grouped = [venv.step(actions) for venv in venvs]
        _assert_same_step(grouped, alone)
        n_episodes += alone[2].sum()
    assert n_episodes > 50
    for venv in venvs:
        venv.close()


class SharingEnv(BufferEnv):
    """Shares its observation and its info with all others of its process."""

    table = np.zeros(2, np.float32)
    notes = {}

    def __init__(self, own):
        super().__init__()
        self._own, self._obs, self._info = own, self.table, self.notes

    def step(self, action):
        self._obs[:] = self._own
        self._info['own'] = [self._own]
        return self._obs, 1.0, action == 1, self._info


def test_what_environments_share_in_a_process_does_not_mix_up_a_step():
    venv = SubprocVecEnv([lambda own=own: SharingEnv(own) for own in range(4)], 'fork', envs_per_process=2)
    venv.reset()
    obs, _, _, infos = venv.step([0, 1, 0, 1])
    assert obs.tolist() == [[0, 0], [0, 0], [2, 2], [0, 0]]  # two have been reset
    assert [info['own'] for info in infos] == [[0], [1], [2], [3]]
    assert [info['terminal_observation'].tolist() for info in (infos[1], infos[3])] == [[1, 1], [3, 3]]
    notes = venv.get_attr('notes')
    assert notes[0] == notes[1] and notes[0] is not notes[1]  # the caller's own, each of them
    venv.close()


def test_an_action_given_twice_arrives_as_two():
    venv = SubprocVecEnv([RandomEnv] * 2, 'fork', envs_per_process=2)
    venv.reset()
    venv.step([np.ones(2)] * 2)
    venv.env_method('fill', 'last_action', 5, indices=0)
    assert [action.tolist() for action in venv.get_attr('last_action')] == [[5, 5], [1, 1]]
    venv.close()


def test_attributes_and_methods_across_groups():
    venv = SubprocVecEnv([RandomEnv] * 5, 'fork', envs_per_process=2)
    venv.set_attr('speed', 0)
    venv.set_attr('speed', 7, indices=[4, 1])
    venv.set_attr('speed', 9, indices=-2)
    assert venv.get_attr('speed') == [0, 7, 0, 9, 7]
    assert venv.get_attr('speed', indices=[3, 0, 4, 2, 1]) == [9, 0, 7, 0, 7]
    assert venv.env_method('seed', 8, indices=[3]) == [[8]]
    assert venv.env_method('double', lambda x: x + 1, indices=range(1, 4)) == [4, 4, 4]
    for indices, error in (([1, 1], ValueError), ([1, -4], ValueError), (5, IndexError)):
        with pytest.raises(error):
            venv.get_attr('speed', indices=indices)
    venv.set_attr('table', np.zeros(2))
    venv.env_method('fill', 'table', 5, indices=2)
    assert [table.tolist() for table in venv.get_attr('table', [2, 3])] == [[5, 5], [0, 0]]  # each got its own
    venv.close()


def test_a_failing_call_names_its_environment_and_the_others_are_called():
    venv = SubprocVecEnv([RandomEnv] * 5, 'fork', envs_per_process=3)
    venv.set_attr('speed', 1, indices=[0, 2, 3, 4])
    with pytest.raises(AttributeError, match="^environment 1 [(]process"):
        venv.get_attr('speed')
    venv.set_attr('_rng', None, indices=3)
    with pytest.raises(AttributeError, match="^environment 3 [(]process"):
        venv.env_method('step', 0)
    assert venv.get_attr('last_action') == [0] * 5
    venv.seed(0)
    assert venv.reset().shape == (5, 3)
    venv.close()


@pytest.mark.parametrize('where', ['construction', 'reset', 'step'])
@pytest.mark.parametrize('bad_index', [2, 3, 4])
@pytest.mark.parametrize('what, match', [
    (ValueError('no such table'), 'raised ValueError during {}: no such table'),
    ('die', 'during {} was killed by SIGKILL'),
    ('hang', 'no answer to {} within'),
], ids=['raises', 'dies', 'hangs'])
def test_failures_name_the_environment_of_a_group(where, bad_index, what, match, leaves_nothing, monkeypatch):
    monkeypatch.setattr(subproc_ipc, 'CLOSE_GRACE', 0.2)
    with pytest.raises((ValueError, RuntimeError, TimeoutError), match=match.format(where)) as caught:
        venv = SubprocVecEnv(_faulty(where, what, bad_index, n_envs=5), 'fork', envs_per_process=2,
                             timeout=0.5 if what == 'hang' else None)
        venv.reset()
        venv.step([0] * 5)
    assert f'environment {bad_index} (process' in str(caught.value)


def test_a_failure_is_reported_before_the_next_environment_of_the_group_acts(leaves_nothing, monkeypatch):
    monkeypatch.setattr(subproc_ipc, 'CLOSE_GRACE', 0.2)
    venv = SubprocVecEnv(_faulty('step', ValueError('early'), bad_index=0, others=_hang), 'fork', envs_per_process=3)
    venv.reset()
    with pytest.raises(ValueError, match='environment 0 .*early'):
        venv.step([0, 0, 0])


def test_killed_between_calls_of_a_group(leaves_nothing):
    venv = SubprocVecEnv([RandomEnv] * 5, 'fork', envs_per_process=2)
    venv.reset()
    victim = venv.processes[1]
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    with pytest.raises(RuntimeError, match=r'environments 2 to 3 \(process [0-9]+\) during step was killed by SIGKILL'):
        venv.step([0] * 5)


def test_close_closes_every_environment_of_a_group(tmpdir, leaves_nothing, capfd):
    class Closes(RandomEnv):
        def __init__(self, path):
            super().__init__()
            self._path = path

        def close(self):
            self._path.write('closed')
            if self._path.basename == 'b':
                raise ValueError('b does not want to')

    paths = [tmpdir.join(name) for name in 'abcde']
    SubprocVecEnv([lambda p=path: Closes(p) for path in paths], 'fork', envs_per_process=3).close()
    assert [path.read() for path in paths] == ['closed'] * 5
    assert 'b does not want to' in capfd.readouterr().err


def test_one_environment_for_two_of_a_group_is_refused(leaves_nothing):
    env = RandomEnv()
    with pytest.raises(ValueError, match=r'env_fns\[3\] returns the same environment as env_fns\[2\]: accepted'):
        SubprocVecEnv([RandomEnv] * 2 + [lambda: env] * 2, 'fork', envs_per_process=2)


@pytest.mark.parametrize('n_envs, n_cores, expected', [(8, 2, 2), (5, 2, 2), (5, 3, 3), (3, 4, 3), (4, 4, 4)])
def test_auto_makes_a_process_for_each_core(n_envs, n_cores, expected, monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: set(range(n_cores)), raising=False)
    venv = SubprocVecEnv([RandomEnv] * n_envs, 'fork', envs_per_process='auto')
    assert len(venv.processes) == expected
    venv.close()


@pytest.mark.parametrize('size, n_processes', [(1, 3), (3, 1), (100, 1), (np.int64(2), 2)])
def test_sizes_of_groups(size, n_processes):
    venv = SubprocVecEnv([RandomEnv] * 3, 'fork', envs_per_process=size)
    assert len(venv.processes) == n_processes
    venv.close()


@pytest.mark.parametrize('size', [0, -1, 1.5, True, None, 'many'])
def test_sizes_that_are_refused(size):
    with pytest.raises(ValueError, match=f"envs_per_process={size!r}: accepted is a positive integer or 'auto'"):
        SubprocVecEnv([RandomEnv] * 3, envs_per_process=size)


# many, and scripts of their own


@pytest.mark.parametrize('n_cycles', [20, pytest.param(200, marks=pytest.mark.slow)])
def test_create_and_close_again_and_again(n_cycles, leaves_nothing):
    for _ in range(n_cycles):
        venv = SubprocVecEnv([BufferEnv] * 2, 'fork')
        venv.reset()
        assert venv.step([0, 0])[0].tolist() == [[1, 1]] * 2
        venv.close()


def _popen(script):
    environ = dict(os.environ, PYTHONPATH=os.pathsep.join([ROOT, os.path.dirname(os.path.abspath(__file__))]))
    script_file = os.path.join(os.environ['PYTEST_SCRIPT_DIR'], 'script.py')
    with open(script_file, 'w') as file_handler:
        file_handler.write(textwrap.dedent(script))
    return subprocess.Popen([sys.executable, '-W', 'ignore', script_file], env=environ, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, universal_newlines=True, start_new_session=True)


@pytest.fixture(autouse=True)
def script_dir(tmpdir, monkeypatch):
    monkeypatch.setenv('PYTEST_SCRIPT_DIR', str(tmpdir))


def _run(script):
    process = _popen(script)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


INTERRUPTED = '''
    import signal, sys
    from stable_baselines.common.vec_env import SubprocVecEnv, subproc_ipc
    from test_subproc_vec_env import FaultyEnv, RandomEnv, _hang
    if __name__ == '__main__':
        # a process that was started in the background of a shell ignores Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)
        subproc_ipc.CLOSE_GRACE = 0.5  # workers that are forked have it, too
        venv = SubprocVecEnv([RandomEnv, _hang, RandomEnv], 'fork')
        idle = SubprocVecEnv([RandomEnv], 'forkserver')
        venv.reset()
        venv.step_async([0, 0, 0])
        print(*[process.pid for process in venv.processes + idle.processes])
        sys.stdout.flush()
        venv.step_wait()
'''


@pytest.mark.parametrize('signum', [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_parent_that_is_killed_or_interrupted(signum):
    process = _popen(INTERRUPTED)
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 4, process.stderr.read()
    assert all(_alive(pid) for pid in pids)
    if signum == signal.SIGINT:
        os.killpg(process.pid, signum)  # as the terminal does: all processes get it
    else:
        os.kill(process.pid, signum)
    assert _wait_until(lambda: not any(_alive(pid) for pid in pids))
    _, err = process.communicate(timeout=20)
    assert process.returncode != 0
    assert err.count('KeyboardInterrupt') == (signum == signal.SIGINT)


def test_script_without_main_guard():
    process = _popen('''
        from stable_baselines.common.vec_env import SubprocVecEnv
        from test_subproc_vec_env import RandomEnv
        SubprocVecEnv([RandomEnv] * 2, 'spawn')
    ''')
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "must have its code under if __name__ == '__main__':" in err
    assert 'during construction ended with exit code 1' in err
