"""Environments of every supported library in the classic API."""
import copy
import importlib
import pickle
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest

from stable_baselines.common.gym_compat import (
    ActionWrapper,
    Env,
    ObservationWrapper,
    RewardWrapper,
    Wrapper,
    convert_env,
    convert_space,
    is_env,
    make,
    spaces,
)
from stable_baselines.common.gym_compat.libraries import LIBRARY
from stable_baselines.common.gym_compat.spaces import clip_actions, event_shape
from stable_baselines.common.vec_env import DummyVecEnv

BOX = spaces.Box(-10, 10, (1,), np.float64)


class ModernEnv:
    """An environment of gymnasium's API: it counts its steps, ends at 5, and with ``limit`` is cut off at 3."""
    metadata = {'render_modes': ['rgb_array', 'human'], 'render_fps': 7}
    observation_space = BOX
    action_space = spaces.Discrete(2)

    def __init__(self, limit=False, render_mode=None):
        self.limit, self.render_mode = limit, render_mode
        self.steps, self.seeds, self.goal, self.closed, self.info = 0, [], 1, False, {}

    @property
    def unwrapped(self):
        return self

    def reset(self, *, seed=None, options=None):
        self.seeds.append(seed)
        self.steps = 0
        return np.array([0.]), {'options': options}

    def step(self, action):
        self.steps += 1
        return np.array([self.steps], np.float64), 2.0, self.steps >= 5, self.limit and self.steps >= 3, self.info

    def render(self):
        return self.render_mode

    def close(self):
        self.closed = True

    def compute_reward(self, achieved_goal, desired_goal, info):
        return -abs(achieved_goal - desired_goal)


class OpaqueWrapper:
    """A wrapper like gymnasium's, which does not pass attributes through."""

    def __init__(self, env):
        self.env = env
        self.observation_space, self.action_space = env.observation_space, env.action_space

    @property
    def unwrapped(self):
        return self.env.unwrapped

    def reset(self, *, seed=None, options=None):
        return self.env.reset(seed=seed, options=options)

    def step(self, action):
        return self.env.step(action)

    def render(self):
        return self.env.render()

    def close(self):
        self.env.close()


class OldEnv(Env):
    """An environment of the classic API."""
    observation_space = BOX
    action_space = spaces.Box(-2, 2, (1,), np.float32)

    def __init__(self):
        self.last_seed = None

    def reset(self, start=0.):
        self.state = start
        return np.array([start])

    def step(self, action):
        self.state += float(action)
        return np.array([self.state]), self.state, False, {}

    def seed(self, seed=None):
        self.last_seed = seed
        return [seed]


def test_classic_env_is_returned_unchanged():
    env = OldEnv()
    assert convert_env(env) is env
    wrapped = Wrapper(env)
    assert wrapped.env is env
    assert convert_env(wrapped) is wrapped


def test_modern_env_speaks_classic():
    env = convert_env(ModernEnv())
    obs = env.reset()
    assert isinstance(obs, np.ndarray) and obs.dtype == np.float64
    results = [env.step(0) for _ in range(5)]
    assert all(len(result) == 4 for result in results)
    assert [result[0][0] for result in results] == [1, 2, 3, 4, 5]
    assert [result[2] for result in results] == [False] * 4 + [True]
    assert all(type(result[2]) is bool for result in results)
    assert 'TimeLimit.truncated' not in results[-1][3]


def test_truncation_ends_the_episode_and_is_reported():
    base = ModernEnv(limit=True)
    env = convert_env(base)
    env.reset()
    dones, infos = zip(*[env.step(0)[2:] for _ in range(3)])
    assert dones == (False, False, True)
    assert infos[-1] == {'TimeLimit.truncated': True}
    assert base.info == {}, "the environment's own dict must not be changed: it may hand it out again"


def test_true_end_at_the_limit_is_not_a_truncation():
    base = ModernEnv(limit=True)
    env = convert_env(base)
    env.reset()
    base.steps = 4
    _, _, done, info = env.step(0)
    assert done and info == {'TimeLimit.truncated': False}


def test_old_api_on_a_modern_base_is_recognised():
    class OldStyle(ModernEnv):
        def reset(self):
            return np.array([9.])

        def step(self, action):
            return np.array([8.]), 1.0, True, {'old': True}

        def seed(self, seed=None):
            self.own_seed = seed
            return [seed, 'own']

    env = convert_env(OldStyle())
    assert env.seed(4) == [4, 'own'] and env.own_seed == 4
    assert env.reset() == [9.]
    assert env.step(0)[1:] == (1.0, True, {'old': True})


def test_tuple_observation_is_not_mistaken_for_obs_and_info():
    class TupleEnv(ModernEnv):
        observation_space = spaces.Tuple((spaces.Discrete(3), spaces.Dict({'a': spaces.Discrete(2)})))

        def reset(self):
            return 1, {'a': 1}

    assert convert_env(TupleEnv()).reset() == (1, {'a': 1})


def test_seed_is_kept_for_the_next_reset_only():
    base = ModernEnv()
    env = convert_env(OpaqueWrapper(base))
    assert env.seed(3) == [3]
    env.reset()
    env.reset()
    env.seed(np.int64(4))
    env.seed(None)
    env.reset(options={'x': 1})
    assert base.seeds == [3, None, 4]
    assert type(base.seeds[-1]) is int


def test_attributes_are_read_and_written_through_opaque_wrappers():
    base = ModernEnv()
    env = convert_env(OpaqueWrapper(OpaqueWrapper(base)))
    assert env.goal == 1
    env.goal = 5
    assert base.goal == 5 and 'goal' not in vars(env) and 'goal' not in vars(env.env)
    env.new_name = 6
    assert env.env.new_name == 6
    assert env.unwrapped is base
    assert env.compute_reward(3, 5, None) == -2
    assert Wrapper(env).compute_reward(3, 5, None) == -2
    assert env.reward_range == (-np.inf, np.inf)
    with pytest.raises(AttributeError, match="'ModernEnv' has no attribute 'nothing'"):
        getattr(env, 'nothing')  # noqa: B009
    assert not hasattr(env, '__array_interface__')


def test_rendering_in_any_mode():
    base = ModernEnv()
    env = convert_env(OpaqueWrapper(base))
    assert env.metadata['render.modes'] == ['rgb_array', 'human']
    assert env.render('rgb_array') == 'rgb_array'
    assert env.render() == 'human'
    assert base.render_mode is None, "the mode is restored, or step() would begin to render by itself"

    class Fixed(ModernEnv):
        render_mode = property(lambda self: 'human', lambda self, mode: (_ for _ in ()).throw(AttributeError()))

        def __init__(self):
            pass

    assert convert_env(Fixed()).render() == 'human'
    with pytest.raises(ValueError, match="make it with render_mode='rgb_array'"):
        convert_env(Fixed()).render('rgb_array')


def test_adapter_can_be_copied_and_pickled():
    env = convert_env(OpaqueWrapper(ModernEnv()))
    env.seed(7)
    for twin in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
        twin.reset()
        assert twin.seeds == [7]
        assert twin.observation_space == env.observation_space
    assert env.seeds == []


def test_close_reaches_the_environment():
    base = ModernEnv()
    convert_env(OpaqueWrapper(base)).close()
    assert base.closed


@pytest.mark.parametrize('thing', [None, 3, ModernEnv, lambda: ModernEnv(), DummyVecEnv([OldEnv])],
                         ids=['None', 'int', 'class', 'function', 'VecEnv'])
def test_other_things_than_environments_are_refused(thing):
    assert not is_env(thing)
    with pytest.raises(TypeError, match='accepted is a single environment'):
        convert_env(thing)


@pytest.mark.parametrize("held", [object(), "config", [1], None])
def test_an_attribute_env_may_be_anything(held):
    env = ModernEnv()
    env.env = held
    assert convert_env(env).reset() is not None
    env.env = env
    assert convert_env(env).reset() is not None


def test_is_env():
    assert is_env(OldEnv()) and is_env(Wrapper(OldEnv())) and is_env(make('CartPole-v1'))
    assert is_env(Wrapper(ModernEnv())), 'what our wrappers wrap is an environment'

    class VectorEnv(Env):
        pass

    assert not is_env(VectorEnv())


def test_own_spaces_are_returned_unchanged():
    for space in (BOX, spaces.Discrete(2), spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(3),
                  spaces.Dict({'a': BOX}), spaces.Tuple((BOX, spaces.Discrete(2)))):
        assert convert_space(space) is space


def _foreign(class_name, **attributes):
    """Make a space of another library."""
    return type(class_name, (SimpleNamespace,), {})(**attributes)


def test_foreign_spaces_are_converted():
    low, high = np.array([0, 1], np.uint8), np.array([5, 6], np.uint8)
    box = _foreign('Box', low=low, high=high, dtype=np.dtype('uint8'))
    converted = convert_space(box)
    assert converted == spaces.Box(low, high, dtype=np.uint8) and converted.dtype == np.uint8
    discrete = _foreign('Discrete', n=np.int64(4), start=0)
    assert convert_space(discrete) == spaces.Discrete(4)
    multi = _foreign('MultiDiscrete', nvec=np.array([2, 3]), start=np.zeros(2))
    assert convert_space(multi) == spaces.MultiDiscrete([2, 3])
    assert convert_space(_foreign('MultiBinary', n=3)) == spaces.MultiBinary(3)
    parts = _foreign('Dict', spaces=OrderedDict([('z', box), ('a', _foreign('Tuple', spaces=(discrete, multi)))]))
    converted = convert_space(parts)
    assert isinstance(converted, spaces.Dict) and set(converted.spaces) == {'z', 'a'}
    assert converted.spaces['a'] == spaces.Tuple((spaces.Discrete(4), spaces.MultiDiscrete([2, 3])))


@pytest.mark.parametrize('space, reason', [
    (_foreign('Discrete', n=3, start=1), 'does not start at 0'),
    (_foreign('MultiDiscrete', nvec=np.array([2, 3]), start=np.array([0, 1])), 'does not start at 0'),
    (_foreign('Dict', spaces={'a': _foreign('Discrete', n=3, start=-1)}), 'does not start at 0'),
    (_foreign('Text', max_length=3), 'Text is not supported'),
    (_foreign('Tuple', spaces=(_foreign('Graph'),)), 'Graph is not supported'),
])
def test_unusable_spaces_are_refused_with_the_reason(space, reason):
    with pytest.raises(ValueError, match=reason):
        convert_space(space)
    with pytest.raises(ValueError, match=reason):
        convert_env(SimpleNamespace(observation_space=BOX, action_space=space, reset=None, step=None))


def test_shifted_space_of_a_classic_env_is_refused():
    env = OldEnv()
    env.action_space = _foreign('Discrete', n=3, start=1)
    with pytest.raises(ValueError, match='does not start at 0'):
        convert_env(env)


def test_wrappers_change_what_they_should():
    class Double(ObservationWrapper):
        def observation(self, observation):
            return 2 * observation

    class Plus(RewardWrapper):
        def reward(self, reward):
            return reward + 100

    class Negate(ActionWrapper):
        def action(self, action):
            return -action

    env = Double(Plus(Negate(OldEnv())))
    assert env.reset(start=3.) == [6.]
    obs, reward, done, info = env.step(1.)
    assert (obs[0], reward, done, info) == (4., 102., False, {})
    assert env.seed(5) == [5] and env.last_seed == 5
    assert env.unwrapped.last_seed == 5 and env.class_name() == 'Double'
    assert str(env).startswith('<Double<Plus<Negate<')
    with pytest.raises(AttributeError):
        getattr(env, '_private')  # noqa: B009
    for wrapper in (ObservationWrapper, RewardWrapper, ActionWrapper):
        broken = wrapper(OldEnv())
        with pytest.raises(NotImplementedError):
            broken.reset() if wrapper is ObservationWrapper else (broken.reset(), broken.step(1.))


def test_wrappers_take_modern_environments():
    env = Wrapper(ModernEnv())
    assert env.reset() == [0.]
    assert len(env.step(0)) == 4
    assert pickle.loads(pickle.dumps(env)).reset() == [0.]


def test_make_gives_the_classic_api():
    env = make('CartPole-v1')
    env.seed(11)
    first = env.reset()
    assert first.shape == (4,)
    env.seed(11)
    np.testing.assert_array_equal(env.reset(), first)
    steps = 0
    done = False
    while not done:
        _, reward, done, info = env.step(steps % 2)
        steps += 1
    assert 8 < steps < 500 and reward == 1.0
    assert env.spec.id == 'CartPole-v1' and env.masscart == 1.0
    env.close()


def test_make_reports_the_time_limit():
    env = make('MountainCar-v0')
    env.reset()
    for _ in range(200):
        _, _, done, info = env.step(1)
    assert done and info['TimeLimit.truncated'] is True


@pytest.mark.filterwarnings('ignore:.*out of date')
def test_make_hints_at_changed_ids():
    known = {name for name in ('Pendulum-v0', 'Pendulum-v1') if _can_make(name)}
    assert len(known) == 1
    other = ({'Pendulum-v0', 'Pendulum-v1'} - known).pop()
    with pytest.raises(ValueError, match=f'{other}.*{known.pop()}'):
        make(other)
    with pytest.raises(ValueError, match='ale-py'):
        make('NoSuchGameNoFrameskip-v4')
    with pytest.raises(ValueError, match='import that package first'):
        make('NoSuchThing-v3')
    with pytest.raises(TypeError, match='env_id=3'):
        make(3)


def _can_make(name):
    try:
        make(name).close()
    except ValueError:
        return False
    return True


@pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::UserWarning')
def test_environment_of_the_other_library():
    name = {'gym': 'gymnasium', 'gymnasium': 'gym'}[LIBRARY.__name__]
    other = pytest.importorskip(name)
    env = importlib.import_module(name + '.envs.classic_control').CartPoleEnv()
    assert is_env(env)
    venv = DummyVecEnv([lambda: other.wrappers.TimeLimit(env, 5)])
    assert isinstance(venv.observation_space, spaces.Box) and venv.action_space == spaces.Discrete(2)
    venv.seed(3)
    first = venv.reset()
    assert first.dtype == np.float32 and first.shape == (1, 4)
    dones, infos = zip(*[venv.step([step % 2])[2:] for step in range(5)])
    assert [done[0] for done in dones] == [False] * 4 + [True]
    assert infos[-1][0]['TimeLimit.truncated'] and infos[-1][0]['terminal_observation'].shape == (4,)
    venv.seed(3)
    np.testing.assert_array_equal(venv.reset(), first)


@pytest.mark.parametrize('space, shape', [
    (BOX, (1,)), (spaces.Discrete(3), ()), (spaces.MultiDiscrete([2, 3]), (2,)), (spaces.MultiBinary(4), (4,))])
def test_event_shape(space, shape):
    assert event_shape(space) == np.shape(space.sample()) == shape


def test_only_actions_of_boxes_are_clipped():
    actions = np.array([[-11.], [3.], [12.]])
    np.testing.assert_array_equal(clip_actions(actions, BOX), [[-10.], [3.], [10.]])
    assert clip_actions(actions, spaces.Discrete(3)) is actions
