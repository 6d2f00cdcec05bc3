"""Vectorised environments: the interface, DummyVecEnv, observations with parts, attribute look-up."""
from collections import OrderedDict

import cloudpickle
import numpy as np
import pytest

from stable_baselines.common.bit_flipping_env import BitFlippingEnv
from stable_baselines.common.gym_compat import Env, make, spaces
from stable_baselines.common.tile_images import tile_images
from stable_baselines.common.vec_env import (
    AlreadySteppingError,
    CloudpickleWrapper,
    DummyVecEnv,
    NotSteppingError,
    VecEnv,
    VecEnvWrapper,
    VecNormalize,
    _UnvecWrapper,
)
from stable_baselines.common.vec_env.util import copy_obs_dict, dict_to_obs, obs_space_info


class CountEnv(Env):
    """Counts its steps, episodes have 3; uses a single array and a single info dict."""
    metadata = {'render.modes': ['rgb_array']}

    def __init__(self, offset=0, observation_space=None):
        self.observation_space = observation_space or spaces.Box(-100, 100, (2,), np.float32)
        self.action_space = spaces.Discrete(5)
        self.offset, self.steps, self.closed, self.actions = offset, 0, False, []
        self.obs, self.info = np.zeros(2), {'key': 'value'}

    def reset(self):
        self.steps = 0
        self.obs[:] = self.offset
        return self.obs

    def step(self, action):
        self.actions.append(action)
        self.steps += 1
        self.obs[:] = self.offset + self.steps
        return self.obs, np.float64(self.steps) / 2, np.bool_(self.steps == 3), self.info

    def seed(self, seed=None):
        self.last_seed = seed
        return [seed]

    def render(self, mode='human'):
        return np.full((2, 3, 3), self.offset, np.uint8)

    def close(self):
        self.closed = True

    def add(self, first, second=0):
        return self.offset + first + second


class PartsEnv(CountEnv):
    """Observations with parts."""

    def __init__(self, kind):
        image, number = spaces.Box(0, 255, (2, 2), np.uint8), spaces.Discrete(9)
        space = spaces.Dict({'b': number, 'a': image}) if kind is dict else spaces.Tuple((image, number))
        super().__init__(observation_space=space)
        self.kind = kind

    def _parts(self):
        image, number = np.full((2, 2), self.steps), self.steps
        return {'a': image, 'b': number} if self.kind is dict else (image, number)

    def reset(self):
        super().reset()
        return self._parts()

    def step(self, action):
        rest = super().step(action)[1:]
        return (self._parts(),) + rest


@pytest.fixture
def venv():
    """Two environments."""
    return DummyVecEnv([lambda: CountEnv(0), lambda: CountEnv(10)])


def test_reset_and_step(venv):
    obs = venv.reset()
    assert obs.dtype == np.float32 and obs.tolist() == [[0, 0], [10, 10]]
    obs, rewards, dones, infos = venv.step([1, 2])
    assert obs.dtype == np.float32 and obs.tolist() == [[1, 1], [11, 11]]
    assert rewards.dtype == np.float32 and rewards.tolist() == [0.5, 0.5]
    assert dones.dtype == np.bool_ and dones.tolist() == [False, False]
    assert infos == [{'key': 'value'}] * 2
    assert venv.get_attr('actions') == [[1], [2]]


def test_episode_end_resets_and_keeps_the_last_observation(venv):
    venv.reset()
    for _ in range(3):
        obs, rewards, dones, infos = venv.step([0, 0])
    assert dones.all() and rewards.tolist() == [1.5, 1.5]
    assert obs.tolist() == [[0, 0], [10, 10]]
    # the environment's array holds the reset observation by now
    assert infos[0]['terminal_observation'].tolist() == [3, 3]
    assert infos[1]['terminal_observation'].tolist() == [13, 13]
    assert infos[0]['terminal_observation'].dtype == np.float64, "the environment's own dtype"
    assert venv.step([0, 0])[3] == [{'key': 'value'}] * 2, 'nothing of it stays in a dict that is used again'


def test_what_a_step_returns_is_never_overwritten(venv):
    kept = [(venv.reset(), [[0, 0], [10, 10]])]
    steps = [venv.step([0, 0]) for _ in range(4)]
    kept += [(step[0], [[i, i], [10 + i, 10 + i]]) for step, i in zip(steps, (1, 2, 0, 1))]
    for array, expected in kept:
        assert array.tolist() == expected
    assert [step[1].tolist() for step in steps] == [[0.5] * 2, [1.0] * 2, [1.5] * 2, [0.5] * 2]
    assert [step[2].tolist() for step in steps] == [[False] * 2, [False] * 2, [True] * 2, [False] * 2]
    assert len({id(info) for step in steps for info in step[3]}) == 8


def test_step_needs_one_action_for_each_environment(venv):
    venv.reset()
    for actions in ([0], [0, 0, 0], np.zeros((3, 1))):
        with pytest.raises(ValueError, match='one for each of the 2 environments'):
            venv.step(actions)
    with pytest.raises(NotSteppingError, match='not running an async step'):
        venv.step_wait()
    venv.step_async([0, 0])
    venv.reset()
    with pytest.raises(NotSteppingError):
        venv.step_wait()
    assert str(AlreadySteppingError()) == 'already running an async step'


def test_seed_counts_up(venv):
    assert venv.seed(5) == [[5], [6]]
    assert venv.get_attr('last_seed') == [5, 6]
    assert venv.seed() == [[None], [None]]


def test_attributes_and_methods_by_indices(venv):
    assert venv.get_attr('offset') == [0, 10]
    assert venv.get_attr('offset', 1) == venv.get_attr('offset', indices=np.int64(1)) == [10]
    assert venv.get_attr('offset', indices=[1, 0]) == [10, 0]
    venv.set_attr('offset', 7, indices=0)
    venv.set_attr('colour', 'red')
    assert venv.get_attr('offset') == [7, 10] and venv.get_attr('colour') == ['red', 'red']
    assert venv.env_method('add', 1) == [8, 11]
    assert venv.env_method('add', 1, second=2, indices=[1]) == [13]
    with pytest.raises(IndexError):
        venv.get_attr('offset', 2)
    with pytest.raises(AttributeError):
        venv.get_attr('nothing')


def test_close_and_rendering(venv):
    assert [image[0, 0, 0] for image in venv.get_images()] == [0, 10]
    picture = venv.render('rgb_array')
    assert picture.shape == (4, 3, 3) and picture[:2].max() == 0 and picture[2:].min() == 10
    with pytest.raises(ValueError, match="mode='ascii'"):
        venv.render('ascii')
    assert DummyVecEnv([lambda: CountEnv(4)]).render('rgb_array').shape == (2, 3, 3)
    venv.close()
    assert venv.get_attr('closed') == [True, True]


@pytest.mark.parametrize('make_arg, error, message', [
    (list, ValueError, 'at least one function'),
    (lambda: [CountEnv()], TypeError, r'env_fns\[0\]=.*, as in \[lambda: env\]'),
    (lambda: [lambda: 3], TypeError, 'accepted is a single environment'),
])
def test_bad_env_fns(make_arg, error, message):
    with pytest.raises(error, match=message):
        DummyVecEnv(make_arg())


def test_warning_about_an_environment_used_twice():
    env = CountEnv()
    with pytest.warns(UserWarning, match='the same environment object'):
        DummyVecEnv([lambda: env, lambda: env])


@pytest.mark.parametrize('kind', [dict, tuple])
def test_observations_with_parts(kind):
    venv = DummyVecEnv([lambda: PartsEnv(kind)] * 2)
    first = venv.reset()
    for _ in range(3):
        obs, _, dones, infos = venv.step([0, 0])
    keys = ('a', 'b') if kind is dict else (0, 1)
    assert isinstance(obs, OrderedDict if kind is dict else tuple)
    assert obs[keys[0]].shape == (2, 2, 2) and obs[keys[0]].dtype == np.uint8
    assert obs[keys[1]].shape == (2,) and obs[keys[1]].dtype == np.int64
    assert first[keys[1]].tolist() == obs[keys[1]].tolist() == [0, 0]
    assert infos[0]['terminal_observation'][keys[1]] == 3
    assert venv.step([0, 0])[0][keys[0]].tolist() == np.ones((2, 2, 2)).tolist()
    assert first[keys[0]].max() == 0


@pytest.mark.parametrize('space, obs', [(spaces.Discrete(4), 3), (spaces.MultiBinary(3), [1, 0, 1]),
                                        (spaces.MultiDiscrete([2, 5]), np.array([1, 4])),
                                        (spaces.Box(-1, 1, (2,), np.float64), [0.1, 0.2])])
def test_observation_dtype_is_the_spaces(space, obs):
    env = CountEnv(observation_space=space)
    env.reset = lambda: obs
    stacked = DummyVecEnv([lambda: env]).reset()
    assert stacked.dtype == space.dtype and stacked.shape == (1,) + space.shape
    np.testing.assert_array_equal(stacked[0], obs)


def test_cartpole_equals_the_environment_itself():
    def step_through(env, step):
        env.seed(3)
        env.reset()
        return [step(env, action) for action in [0, 1, 1, 0, 1] * 10]

    def step_alone(env, action):
        obs, reward, done, _ = env.step(action)
        return (env.reset() if done else obs).astype(np.float32), reward, done

    alone = step_through(make('CartPole-v1'), step_alone)
    vectorised = step_through(DummyVecEnv([lambda: make('CartPole-v1')]), lambda env, action: env.step([action]))
    assert sum(done for _, _, done in alone) > 1
    for (obs, reward, done), (all_obs, rewards, dones, _) in zip(alone, vectorised):
        assert rewards.tolist() == [reward] and dones.tolist() == [done]
        np.testing.assert_array_equal(all_obs[0], obs)


def test_util():
    parts = spaces.Dict({'a': spaces.Discrete(3), 'b': spaces.Box(0, 1, (2,), np.float32)})
    keys, shapes, dtypes = obs_space_info(parts)
    assert keys == ['a', 'b'] and shapes == {'a': (), 'b': (2,)}
    assert dtypes == {'a': np.dtype('int64'), 'b': np.dtype('float32')}
    assert obs_space_info(spaces.Discrete(3)) == ([None], {None: ()}, {None: np.dtype('int64')})
    with pytest.raises(ValueError, match="its part 'x' has parts itself"):
        obs_space_info(spaces.Dict({'x': parts}))
    original = OrderedDict(a=np.ones(2))
    copied = copy_obs_dict(original)
    copied['a'][0] = 5
    assert original['a'].tolist() == [1, 1] and isinstance(copied, OrderedDict)
    with pytest.raises(TypeError, match='accepted is an OrderedDict'):
        copy_obs_dict({'a': np.ones(2)})
    assert dict_to_obs(spaces.Tuple((parts, parts)), {1: 'y', 0: 'x'}) == ('x', 'y')
    assert dict_to_obs(parts, original) is original
    assert dict_to_obs(spaces.Discrete(3), {None: 4}) == 4
    with pytest.raises(ValueError, match='space=Discrete.* has no parts'):
        dict_to_obs(spaces.Discrete(3), {'a': 4})
    with pytest.raises(ValueError, match='has 1 parts'):
        dict_to_obs(spaces.Tuple((parts, parts)), {0: 'x'})


class PassWrapper(VecEnvWrapper):
    """Changes nothing."""

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        return self.venv.step_wait()


class NamedWrapper(PassWrapper):
    """Has a name."""

    def __init__(self, venv):
        super().__init__(venv)
        self.name = 'inner'


class OtherWrapper(NamedWrapper):
    """Has a name and another attribute."""

    def __init__(self, venv):
        super().__init__(venv)
        self.other = 'middle'

    def ask(self):
        return 'asked'


def test_wrappers_forward(venv):
    wrapped = PassWrapper(venv)
    assert (wrapped.num_envs, wrapped.observation_space) == (2, venv.observation_space)
    assert wrapped.reset().tolist() == [[0, 0], [10, 10]]
    assert wrapped.step([0, 0])[1].tolist() == [0.5, 0.5]
    assert wrapped.seed(1) == [[1], [2]]
    assert wrapped.env_method('add', 1, indices=1) == [11]
    wrapped.set_attr('offset', 3, 0)
    assert wrapped.get_attr('offset') == [3, 10]
    assert wrapped.render('rgb_array').shape == (4, 3, 3) and len(wrapped.get_images()) == 2
    assert PassWrapper(wrapped).unwrapped is venv and venv.unwrapped is venv
    wrapped.close()
    assert venv.get_attr('closed') == [True, True]
    space = spaces.Discrete(9)
    assert PassWrapper(venv, observation_space=space).observation_space is space
    assert PassWrapper(venv, action_space=space).action_space is space


def test_attribute_lookup_through_wrappers(venv):
    wrapped = PassWrapper(OtherWrapper(NamedWrapper(venv)))
    assert wrapped.other == 'middle' and wrapped.ask() == 'asked'
    assert wrapped.keys == [None], 'of the DummyVecEnv'
    with pytest.raises(AttributeError, match='ambiguous.*NamedWrapper'):
        getattr(wrapped, 'name')  # noqa: B009
    assert wrapped.getattr_recursive('name') == 'inner'
    assert wrapped.getattr_depth_check('name', already_found=False).endswith('NamedWrapper')
    assert wrapped.getattr_depth_check('other', already_found=False) is None
    assert wrapped.getattr_depth_check('other', already_found=True).endswith('OtherWrapper')
    assert venv.getattr_depth_check('keys', already_found=True).endswith('DummyVecEnv')
    with pytest.raises(AttributeError, match='nothing'):
        getattr(wrapped, 'nothing')  # noqa: B009


class TestUnvecWrapper:
    def test_is_a_plain_environment(self):
        inner = CountEnv(7)
        env = _UnvecWrapper(DummyVecEnv([lambda: inner]))
        obs = env.reset()
        assert (obs.shape, obs.tolist()) == ((2,), [7, 7])
        for number in (1, 2, 3):
            obs, reward, done, info = env.step(4)
            assert type(reward) is float and type(done) is bool and type(info) is dict
            assert (obs.tolist(), reward, done) == ([7 + number % 3] * 2, number / 2, number == 3)
        assert info['terminal_observation'].tolist() == [10, 10]
        assert inner.actions == [4, 4, 4]
        env.step_async(3)
        assert env.step_wait()[0].tolist() == [8, 8] and inner.actions[-1] == 3
        assert env.seed(5) == [5] and inner.last_seed == 5
        assert env.render('rgb_array').shape == (2, 3, 3)
        env.close()
        assert inner.closed

    @pytest.mark.parametrize('kind, first', [(dict, {'a': np.zeros((2, 2)), 'b': 0}), (tuple, (np.zeros((2, 2)), 0))])
    def test_observations_with_parts(self, kind, first):
        obs = _UnvecWrapper(DummyVecEnv([lambda: PartsEnv(kind)])).reset()
        assert isinstance(obs, kind)
        for key in (('a', 'b') if kind is dict else (0, 1)):
            np.testing.assert_array_equal(obs[key], first[key])

    def test_unknown_attributes_are_those_of_the_wrappers_and_of_the_environment(self):
        venv = VecNormalize(DummyVecEnv([lambda: CountEnv(7)]))
        env = _UnvecWrapper(venv)
        assert env.offset == 7 and env.add(1, second=2) == 10
        assert env.obs_rms is venv.obs_rms and env.unwrapped is venv.venv
        assert not hasattr(env, 'nothing')

    def test_rewards_of_other_goals(self):
        env = _UnvecWrapper(DummyVecEnv([lambda: BitFlippingEnv(3)]))
        assert env.compute_reward(np.ones(3), np.ones(3), None) == 0.
        assert env.compute_reward(np.zeros(3), np.ones(3), {}) == -1.
        assert sorted(env.reset()) == ['achieved_goal', 'desired_goal', 'observation']
        assert env.step(1)[0]['desired_goal'].tolist() == [1, 1, 1]

    def test_more_than_one_environment_is_refused(self, venv):
        with pytest.raises(ValueError, match='num_envs=2: accepted is a single environment'):
            _UnvecWrapper(venv)


def test_interface_is_abstract_and_warns_if_it_can_not_render(venv):
    with pytest.raises(TypeError):
        VecEnv(1, None, None)

    class Blind(PassWrapper):
        def get_images(self):
            raise NotImplementedError

        render = VecEnv.render

    with pytest.warns(UserWarning, match='Render not defined'):
        assert Blind(venv).render() is None


def test_cloudpickle_wrapper():
    factor = 3
    wrapper = cloudpickle.loads(cloudpickle.dumps(CloudpickleWrapper(lambda x: factor * x)))
    assert wrapper.var(2) == 6


def test_tile_images():
    images = np.arange(5 * 2 * 2).reshape((5, 2, 2, 1))
    assert tile_images(images)[..., 0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15],
                                                    [16, 17, 0, 0], [18, 19, 0, 0]]
    assert tile_images([np.ones((2, 3, 3), np.uint8)]).shape == (2, 3, 3)
    assert tile_images(list(images)).dtype == images.dtype
