"""Running normalisation of observations and rewards."""
import pickle

import numpy as np
import pytest

from helpers import load_arrays
from stable_baselines.common.gym_compat import make, spaces
from stable_baselines.common.running_mean_std import RunningMeanStd
from stable_baselines.common.vec_env import (
    DummyVecEnv,
    VecCheckNan,
    VecEnv,
    VecFrameStack,
    VecNormalize,
    sync_envs_normalization,
    unwrap_vec_normalize,
)

# what Stable Baselines 2.10 pickles, and expects to find in a pickle
STATE = {'action_space', 'clip_obs', 'clip_reward', 'epsilon', 'gamma', 'norm_obs', 'norm_reward', 'num_envs',
         'obs_rms', 'observation_space', 'old_obs', 'old_rews', 'ret_rms', 'training'}


class ScriptedVecEnv(VecEnv):
    """Plays a script: observations (n_steps + 1, n_envs, ...), rewards and dones (n_steps, n_envs)."""

    def __init__(self, obs, rewards, dones, space=None):
        self.script = obs, rewards, dones
        space = space or spaces.Box(-np.inf, np.inf, obs[0][0].shape, np.float32)
        super().__init__(len(rewards[0]), space, spaces.Discrete(2))

    def reset(self):
        self.step_number = 0
        return self.script[0][0]

    def step_async(self, actions):
        pass

    def step_wait(self):
        obs, rewards, dones = self.script
        self.step_number += 1
        step = self.step_number
        return obs[step], rewards[step - 1], dones[step - 1], [{}] * self.num_envs

    def close(self):
        pass

    def get_attr(self, attr_name, indices=None):
        raise NotImplementedError

    set_attr = env_method = seed = get_attr


def scripted(n_steps=5, n_envs=2, shape=(3,)):
    """Make a script of random numbers."""
    rng = np.random.RandomState(1)
    dones = np.zeros((n_steps, n_envs), np.bool_)
    return ScriptedVecEnv(rng.normal(3, 2, (n_steps + 1, n_envs) + shape).astype(np.float32),
                          rng.normal(size=(n_steps, n_envs)).astype(np.float32), dones)


def cartpole(n_envs=1):
    return DummyVecEnv([lambda: make('CartPole-v1')] * n_envs)


def run(venv, n_steps):
    """Reset and take steps; return the last step."""
    venv.reset()
    return [venv.step([0] * venv.num_envs) for _ in range(n_steps)][-1]


def same_statistics(first, second):
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ('mean', 'var', 'count'))


def test_recorded_case():
    arrays = load_arrays('vecnormalize')
    venv = VecNormalize(ScriptedVecEnv(arrays['batch/obs'], arrays['batch/rewards'], arrays['batch/dones']),
                        clip_obs=1.5, clip_reward=2.0, gamma=0.95)

    def check(value, name, atol=1e-9):
        np.testing.assert_allclose(value, name, rtol=0, atol=atol)

    check(venv.reset(), arrays['out/obs'][0])
    check([venv.ret_rms.mean, venv.ret_rms.var, venv.ret_rms.count], arrays['out/after_reset_ret_rms'])
    check(venv.obs_rms.mean, arrays['out/after_reset_obs_rms_mean'])
    for step in range(9):
        obs, rewards, _, _ = venv.step([0] * 3)
        assert obs.dtype == np.float64 and rewards.dtype == np.float32
        check(obs, arrays['out/obs'][step + 1])
        check(rewards, arrays['out/rewards'][step], 2e-5)
        check(venv.ret, arrays['out/ret'][step])
        for name in ('obs', 'ret'):
            check(getattr(venv, name + '_rms').mean, arrays[f'out/{name}_mean'][step])
            check(getattr(venv, name + '_rms').var, arrays[f'out/{name}_var'][step])
    check(venv.obs_rms.count, arrays['out/obs_count'])
    check(venv.ret_rms.count, arrays['out/ret_count'])


def test_files_of_the_original(shared_dir):
    golden = shared_dir / 'golden'
    arrays = np.load(str(golden / 'vecnormalize.npz'))
    loaded = VecNormalize.load(str(golden / 'vecnormalize.pkl'), cartpole())
    averages = VecNormalize(cartpole())
    with pytest.warns(DeprecationWarning, match='load_running_average'):
        averages.load_running_average(str(golden / 'vecnormalize_running_average'))
    for venv in (loaded, averages):
        np.testing.assert_allclose(venv.obs_rms.mean, arrays['obs_mean'], atol=1e-12)
        np.testing.assert_allclose(venv.ret_rms.var, arrays['ret_var'], atol=1e-12)
        np.testing.assert_allclose(venv.normalize_obs(arrays['obs']), arrays['normalized'], atol=1e-12)
        np.testing.assert_allclose(venv.normalize_reward(arrays['rewards']), arrays['normalized_rewards'], atol=1e-12)
    assert run(loaded, 3)[0].shape == (1, 4)


def test_formulas():
    venv = VecNormalize(scripted(shape=(2,)), clip_obs=2., clip_reward=3., epsilon=0.)
    venv.obs_rms.mean, venv.obs_rms.var = np.array([1., 0.]), np.array([4., 9.])
    venv.ret_rms.var = 4.
    obs = np.array([[3., 3.], [-9., 30.]], np.float32)
    assert venv.normalize_obs(obs).tolist() == [[1., 1.], [-2., 2.]]
    assert obs.tolist() == [[3., 3.], [-9., 30.]], 'the input is not touched'
    assert venv.normalize_obs(obs[0]).tolist() == [1., 1.]
    rewards = np.array([2., -30., 4.], np.float32)
    assert venv.normalize_reward(rewards).tolist() == [1., -3., 2.] and rewards.tolist() == [2., -30., 4.]
    assert venv.normalize_reward(rewards).dtype == np.float32
    assert venv.normalize_reward(rewards.astype(np.float64)).dtype == np.float64
    assert venv.normalize_reward(-2.) == -1.


def test_original_values():
    inner = scripted()
    venv = VecNormalize(inner)
    for getter, first in ((venv.get_original_obs, 'reset'), (venv.get_original_reward, 'step')):
        with pytest.raises(ValueError, match=first):
            getter()
    venv.reset()
    np.testing.assert_array_equal(venv.get_original_obs(), inner.script[0][0])
    normalized = venv.step([0, 0])
    np.testing.assert_array_equal(venv.get_original_obs(), inner.script[0][1])
    np.testing.assert_array_equal(venv.get_original_reward(), inner.script[1][0])
    np.testing.assert_array_equal(normalized[0], venv.normalize_obs(venv.get_original_obs()))
    np.testing.assert_array_equal(normalized[1], venv.normalize_reward(venv.get_original_reward()))
    venv.get_original_obs()[:] = 0
    assert np.all(venv.get_original_obs() != 0), 'a copy is handed out'


def test_switches():
    venv = VecNormalize(scripted(n_steps=30))
    run(venv, 5)
    venv.norm_reward = False
    venv.reset()
    obs, rewards, _, _ = venv.step([0, 0])
    np.testing.assert_array_equal(rewards, venv.get_original_reward())
    assert np.any(obs != venv.get_original_obs())
    venv.norm_obs = False
    count = venv.obs_rms.count
    obs = venv.step([0, 0])[0]
    np.testing.assert_array_equal(obs, venv.get_original_obs())
    assert obs.dtype == np.float32
    assert venv.obs_rms.count == count + 2, 'the statistics go on'
    venv.training = False
    before = pickle.loads(pickle.dumps((venv.obs_rms, venv.ret_rms)))
    run(venv, 5)
    assert same_statistics(venv.obs_rms, before[0]) and same_statistics(venv.ret_rms, before[1])


def test_return_starts_again_with_each_episode():
    dones = np.array([[False, True], [False, False]])
    inner = ScriptedVecEnv(np.zeros((3, 2, 1), np.float32), np.ones((2, 2), np.float32), dones)
    venv = VecNormalize(inner, gamma=0.5)
    venv.reset()
    venv.step([0, 0])
    assert venv.ret.tolist() == [1., 0.]
    venv.step([0, 0])
    assert venv.ret.tolist() == [1.5, 1.]
    venv.reset()
    assert venv.ret.tolist() == [0., 0.]


@pytest.mark.parametrize('through', ['save', 'pickle'])
def test_round_trip(tmp_path, through):
    venv = VecNormalize(scripted(), clip_obs=4., clip_reward=5., gamma=0.7, epsilon=1e-3, norm_reward=False)
    run(venv, 4)
    if through == 'save':
        venv.save(str(tmp_path / 'vecnormalize.pkl'))
        twin = VecNormalize.load(str(tmp_path / 'vecnormalize.pkl'), scripted(n_envs=5))
    else:
        twin = pickle.loads(pickle.dumps(venv))
        assert twin.venv is None and not hasattr(twin, 'ret')
        twin.set_venv(scripted(n_envs=5))
    assert twin.num_envs == 5 and twin.ret.tolist() == [0.] * 5
    assert same_statistics(twin.obs_rms, venv.obs_rms) and same_statistics(twin.ret_rms, venv.ret_rms)
    for name in ('clip_obs', 'clip_reward', 'gamma', 'epsilon', 'norm_obs', 'norm_reward', 'training'):
        assert getattr(twin, name) == getattr(venv, name)
    assert run(twin, 2)[0].shape == (5, 3)


def test_state_is_that_of_the_original():
    assert set(VecNormalize(scripted()).__getstate__()) == STATE
    assert VecNormalize.__module__ == 'stable_baselines.common.vec_env.vec_normalize'
    assert RunningMeanStd.__module__ == 'stable_baselines.common.running_mean_std'
    assert set(vars(RunningMeanStd())) == {'mean', 'var', 'count'}


def test_set_venv_refuses():
    venv = VecNormalize(scripted())
    with pytest.raises(ValueError, match='already'):
        venv.set_venv(scripted())
    twin = pickle.loads(pickle.dumps(venv))
    with pytest.raises(ValueError, match=r'\(4,\).*\(3,\)'):
        twin.set_venv(cartpole())


def test_running_average_files(tmp_path):
    venv = VecNormalize(scripted())
    run(venv, 3)
    with pytest.warns(DeprecationWarning, match='save_running_average'):
        venv.save_running_average(str(tmp_path))
    twin = VecNormalize(scripted())
    with pytest.warns(DeprecationWarning):
        twin.load_running_average(str(tmp_path))
    assert same_statistics(twin.obs_rms, venv.obs_rms) and same_statistics(twin.ret_rms, venv.ret_rms)
    with pytest.warns(DeprecationWarning), pytest.raises(FileNotFoundError):
        twin.load_running_average(str(tmp_path / 'nowhere'))


def test_observations_with_parts_only_without_normalisation():
    space = spaces.Dict({'a': spaces.Discrete(3)})
    inner = ScriptedVecEnv([{'a': np.array([1])}] * 3, np.ones((2, 1), np.float32), np.zeros((2, 1), np.bool_), space)
    with pytest.raises(ValueError, match='norm_obs=True'):
        VecNormalize(inner)
    venv = VecNormalize(inner, norm_obs=False)
    obs, rewards, _, _ = run(venv, 1)
    assert obs == {'a': np.array([1])} and venv.get_original_obs() == obs
    assert rewards[0] != 1. and venv.ret_rms.count > 1


def test_unwrap():
    venv = VecNormalize(scripted())
    assert unwrap_vec_normalize(venv) is venv
    assert unwrap_vec_normalize(VecCheckNan(VecFrameStack(venv, 2))) is venv
    assert unwrap_vec_normalize(venv.venv) is None and unwrap_vec_normalize(make('CartPole-v1')) is None


def test_sync():
    venv, eval_venv = VecNormalize(scripted()), VecCheckNan(VecNormalize(scripted(n_envs=1), training=False))
    run(venv, 4)
    sync_envs_normalization(venv, eval_venv)
    target = eval_venv.venv
    assert same_statistics(target.obs_rms, venv.obs_rms) and same_statistics(target.ret_rms, venv.ret_rms)
    venv.obs_rms.mean += 1
    assert not same_statistics(target.obs_rms, venv.obs_rms), 'copied, not shared'
    with pytest.raises(ValueError, match='eval_env: it has 0 VecNormalize wrappers.*env has, 1'):
        sync_envs_normalization(venv, scripted())
    before = target.obs_rms
    sync_envs_normalization(scripted(), eval_venv)
    assert target.obs_rms is before
