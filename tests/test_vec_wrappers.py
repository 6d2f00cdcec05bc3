"""VecFrameStack, VecCheckNan, VecVideoRecorder."""
import sys

import numpy as np
import pytest

from stable_baselines.common.gym_compat import Env, spaces
from stable_baselines.common.vec_env import DummyVecEnv, VecCheckNan, VecFrameStack, VecVideoRecorder


class FrameEnv(Env):
    """Shows the number of its step, in every pixel times the channel's number; episodes have 3 steps."""
    metadata = {'render.modes': ['human', 'rgb_array'], 'video.frames_per_second': 10}

    def __init__(self, shape=(2, 2, 2), dtype=np.uint8, length=3):
        self.observation_space = spaces.Box(0, 200, shape, dtype)
        self.action_space = spaces.Box(-1, 1, (1,), np.float32)
        self.length = length
        self.steps = 0

    def _obs(self):
        shape = self.observation_space.shape
        return np.full(shape, self.steps) * np.arange(1, shape[-1] + 1)

    def reset(self):
        self.steps = 0
        return self._obs() + 10

    def step(self, action):
        self.steps += 1
        return self._obs(), 1.0, self.steps >= self.length, {}

    def render(self, mode='human'):
        return np.full((33, 48, 3), 60 * self.steps % 255, np.uint8)


def frames(stacked, n_channels=2):
    """List the first pixel's values, frame by frame, and check that the other pixels have the same ones."""
    flat = stacked.reshape(-1, stacked.shape[-1])
    assert np.all(flat == flat[0])
    return flat[0].reshape(-1, n_channels).tolist()


@pytest.mark.parametrize('shape, dtype', [((2, 2, 2), np.uint8), ((2,), np.float32), ((3, 2), np.float64)])
def test_frame_stack(shape, dtype):
    venv = VecFrameStack(DummyVecEnv([lambda: FrameEnv(shape, dtype), lambda: FrameEnv(shape, dtype, length=5)]), 3)
    assert venv.observation_space.shape == shape[:-1] + (6,) and venv.observation_space.dtype == dtype
    assert venv.observation_space.high.max() == 200
    kept = [venv.reset()]
    assert kept[0].dtype == dtype
    assert frames(kept[0][0]) == [[0, 0], [0, 0], [10, 10]]
    for _ in range(3):
        obs, _, dones, infos = venv.step([[0], [0]])
        kept.append(obs)
    assert dones.tolist() == [True, False]
    assert frames(obs[0]) == [[0, 0], [0, 0], [10, 10]], 'a new episode starts with zeros'
    assert frames(obs[1]) == [[1, 2], [2, 4], [3, 6]]
    last = infos[0]['terminal_observation']
    assert last.shape == venv.observation_space.shape and last.dtype == dtype
    assert frames(last) == [[1, 2], [2, 4], [3, 6]]
    assert frames(venv.step([[0], [0]])[0][0]) == [[0, 0], [10, 10], [1, 2]]
    assert frames(last) == [[1, 2], [2, 4], [3, 6]], 'a copy'
    assert frames(kept[0][0]) == [[0, 0], [0, 0], [10, 10]], 'what was handed out stays as it was'
    assert frames(kept[2][1]) == [[10, 10], [1, 2], [2, 4]]
    assert frames(venv.reset()[1]) == [[0, 0], [0, 0], [10, 10]]


def test_frame_stack_of_one_changes_nothing():
    venv = VecFrameStack(DummyVecEnv([FrameEnv]), 1)
    assert frames(venv.reset()[0]) == [[10, 10]]
    assert frames(venv.step([[0]])[0][0]) == [[1, 2]]


def test_frame_stack_refuses():
    class DiscreteEnv(FrameEnv):
        def __init__(self):
            super().__init__()
            self.observation_space = spaces.Discrete(3)

    with pytest.raises(ValueError, match='accepted is a Box'):
        VecFrameStack(DummyVecEnv([DiscreteEnv]), 2)
    with pytest.raises(ValueError, match='n_stack=0'):
        VecFrameStack(DummyVecEnv([FrameEnv]), 0)


class NanEnv(Env):
    """Takes the observation and the reward from its action."""
    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    first = 0.

    def reset(self):
        return [self.first]

    def step(self, action):
        return [action[0]], float(action[1]), False, {}


class Translate(DummyVecEnv):
    """Lets a harmless action ask for a harmful observation: 77 is NaN, 99 infinity."""

    def step_async(self, actions):
        values = {77: np.nan, 99: -np.inf}
        super().step_async([[values.get(value, value) for value in action] for action in actions])


GOOD = [0, 0]


@pytest.mark.parametrize('actions, message', [
    ([GOOD, [77, 0]], r'found nan in observations of environment 1\. Originated from the environment; the last'),
    ([[99, 0], GOOD], 'found inf in observations of environment 0'),
    ([[0, 77], [0, 77]], 'found nan in rewards of environment 0, 1'),
    ([GOOD, [0, 99]], 'found inf in rewards of environment 1'),
    ([[np.nan, 0], GOOD], r'found nan in actions of environment 0\. Originated from the RL model; the last obs'),
    ([GOOD, [np.inf, 0]], 'found inf in actions of environment 1'),
])
def test_check_nan_says_what_and_where(actions, message):
    venv = VecCheckNan(Translate([NanEnv, NanEnv]), raise_exception=True)
    venv.reset()
    venv.step([GOOD, GOOD])
    with pytest.raises(ValueError, match=message):
        venv.step(actions)
    venv.step([GOOD, GOOD])


def test_check_nan_names_the_last_actions():
    venv = VecCheckNan(Translate([NanEnv]), raise_exception=True)
    venv.reset()
    with pytest.raises(ValueError, match=r'the last actions were \[\[77, 5\]\]'):
        venv.step([[77, 5]])


def test_check_nan_at_reset():
    venv = VecCheckNan(Translate([NanEnv]), raise_exception=True)
    venv.set_attr('first', np.nan)
    with pytest.raises(ValueError, match='found nan in observations of environment 0.*just reset'):
        venv.reset()


def test_check_nan_warns_once_or_always():
    for warn_once, expected in ((True, 1), (False, 3)):
        venv = VecCheckNan(Translate([NanEnv]), warn_once=warn_once)
        venv.reset()
        with pytest.warns(UserWarning, match='found nan in observations') as caught:
            for _ in range(3):
                venv.step([[77, 0]])
        assert len(caught) == expected


def test_check_nan_may_leave_infinity_alone():
    venv = VecCheckNan(Translate([NanEnv]), raise_exception=True, check_inf=False)
    venv.reset()
    assert venv.step([[99, 99]])[1].tolist() == [-np.inf]
    with pytest.raises(ValueError, match='found nan'):
        venv.step([[77, 99]])


def test_check_nan_looks_into_parts():
    class PartsEnv(NanEnv):
        observation_space = spaces.Dict({'a': NanEnv.observation_space, 'b': spaces.Discrete(3)})

        def reset(self):
            return {'a': [0.], 'b': 1}

        def step(self, action):
            return {'a': [np.nan], 'b': 1}, 0., False, {}

    venv = VecCheckNan(DummyVecEnv([PartsEnv, PartsEnv]), raise_exception=True)
    venv.reset()
    with pytest.raises(ValueError, match='found nan in observations of environment 0, 1'):
        venv.step([GOOD, GOOD])


def record(folder, n_steps, n_envs=1, trigger=lambda step: step == 6):
    """Record with videos of 4 steps; return the names of the files."""
    pytest.importorskip('imageio_ffmpeg')
    venv = VecVideoRecorder(DummyVecEnv([FrameEnv] * n_envs), str(folder), trigger, video_length=4, name_prefix='test')
    venv.reset()
    for _ in range(n_steps):
        venv.step([[0]] * n_envs)
    venv.close()
    return sorted(path.name for path in folder.iterdir())


def read(path):
    """Read a video: its first frame's size, frames per second, and the brightness of each frame."""
    imageio_ffmpeg = pytest.importorskip('imageio_ffmpeg')
    reader = imageio_ffmpeg.read_frames(str(path))
    meta = next(reader)
    brightness = [np.frombuffer(frame, np.uint8).mean() for frame in reader]
    return meta['size'], meta['fps'], brightness


def test_video(tmp_path):
    names = record(tmp_path / 'new' / 'folder', 20)
    assert names == ['test-step-0-to-step-4.mp4', 'test-step-6-to-step-10.mp4']
    size, fps, brightness = read(tmp_path / 'new' / 'folder' / names[0])
    assert size == (48, 34), 'an odd side is scaled to an even one'
    assert fps == 10
    # the frame at the reset and four steps; DummyVecEnv has reset the environment by the third
    np.testing.assert_allclose(brightness, [0, 60, 120, 0, 60], atol=6)


@pytest.mark.parametrize('size', [(33, 48), (34, 47)])
def test_video_by_the_ffmpeg_of_the_system(tmp_path, monkeypatch, size):
    imageio_ffmpeg = pytest.importorskip('imageio_ffmpeg')
    (tmp_path / 'ffmpeg').symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    (tmp_path / 'videos').mkdir()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, 'imageio_ffmpeg', None)
        patch.setenv('PATH', str(tmp_path))
        patch.setattr(FrameEnv, 'render', lambda self, mode: np.full(size + (3,), 60 * self.steps, np.uint8))
        venv = VecVideoRecorder(DummyVecEnv([FrameEnv]), str(tmp_path / 'videos'), lambda step: False)
        venv.reset()
        venv.step([[0]])
        venv.close()
        patch.setenv('PATH', str(tmp_path / 'videos'))
        with pytest.raises(ImportError, match='needs ffmpeg: pip install imageio imageio-ffmpeg, or the system'):
            VecVideoRecorder(DummyVecEnv([FrameEnv]), str(tmp_path), lambda step: False)
    size, fps, brightness = read(tmp_path / 'videos' / 'rl-video-step-0-to-step-200.mp4')
    assert (size, fps) == ((48, 34), 10)
    np.testing.assert_allclose(brightness, [0, 60], atol=6)


def test_ffmpeg_that_fails(tmp_path, monkeypatch):
    pytest.importorskip('imageio_ffmpeg')
    venv = VecVideoRecorder(DummyVecEnv([FrameEnv]), str(tmp_path), lambda step: False, name_prefix='missing/folder')
    venv.reset()
    with pytest.raises(RuntimeError, match='ffmpeg ended with exit code [0-9]+ while it wrote .*missing/folder'):
        for _ in range(100):  # it takes a moment to fail
            venv.step([[0]])
        venv.close()
    assert not venv.recording


def test_video_cut_short_is_complete(tmp_path):
    names = record(tmp_path, 2)
    assert names == ['test-step-0-to-step-4.mp4']
    assert len(read(tmp_path / names[0])[2]) == 3


def test_video_of_several_environments_is_tiled(tmp_path):
    names = record(tmp_path, 2, n_envs=3)
    assert read(tmp_path / names[0])[0] == (96, 66)


def test_reset_starts_another_video(tmp_path):
    pytest.importorskip('imageio_ffmpeg')
    venv = VecVideoRecorder(DummyVecEnv([FrameEnv]), str(tmp_path), lambda step: False, video_length=50)
    venv.reset()
    venv.step([[0]])
    venv.reset()
    assert venv.recording and venv.recorded_frames == 1 and venv.step_id == 1
    venv.close()
    assert not venv.recording
    assert sorted(path.name for path in tmp_path.iterdir()) == ['rl-video-step-0-to-step-50.mp4',
                                                                'rl-video-step-1-to-step-51.mp4']


def test_video_needs_images(tmp_path):
    class Blind(FrameEnv):
        metadata = {'render.modes': ['human']}

    with pytest.raises(ValueError, match="a video needs 'rgb_array'"):
        VecVideoRecorder(DummyVecEnv([Blind]), str(tmp_path), lambda step: True)
    pytest.importorskip('imageio_ffmpeg')

    class Liar(FrameEnv):
        def render(self, mode='human'):
            return None

    venv = VecVideoRecorder(DummyVecEnv([Liar]), str(tmp_path), lambda step: True)
    with pytest.raises(ValueError, match='rendered nothing'):
        venv.reset()
