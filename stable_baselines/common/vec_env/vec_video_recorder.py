"""Videos of an environment."""
import os
import shutil
import subprocess
from typing import Any, Callable, Optional, Tuple

import numpy as np

from stable_baselines.common import old_names
from stable_baselines.common.extras import pip_install
from stable_baselines.common.vec_env.base_vec_env import VecEnv, VecEnvWrapper, VecStep


class VecVideoRecorder(VecEnvWrapper):
    """
    Record the rendered environments, tiled, as mp4 videos.

    It needs ffmpeg: that of the package imageio-ffmpeg or, without it, the system's.

    :param venv: what to wrap
    :param video_folder: where to save the videos; made if it does not exist
    :param record_video_trigger: tells from the number of steps so far whether to start recording; a recording also
        starts at each reset
    :param video_length: how many steps a video shows
    :param name_prefix: how the files' names begin; "-step-FROM-to-step-TO.mp4" follows
    :raises ValueError: if the environment does not render images
    :raises ImportError: if there is no ffmpeg
    """
    recording = False
    recorded_frames = 0
    video_recorder: Optional['_Encoder'] = None  # takes the frames of the video under way
    _shape: Optional[Tuple[int, ...]] = None  # of these frames

    def __init__(self, venv: VecEnv, video_folder: str, record_video_trigger: Callable[[int], bool],
                 video_length: int = 200, name_prefix: str = 'rl-video'):
        super().__init__(venv)
        self._fps = _frames_per_second(venv)
        _find_ffmpeg()  # fail now, not in the middle of a run
        self.video_folder = os.path.abspath(video_folder)
        os.makedirs(self.video_folder, exist_ok=True)
        self.record_video_trigger = record_video_trigger
        self.video_length = video_length
        self.name_prefix = name_prefix
        self.step_id = 0

    def reset(self) -> Any:
        obs = self.venv.reset()
        # as Stable Baselines 2.10: whatever the trigger says
        self.start_video_recorder()
        return obs

    def start_video_recorder(self) -> None:
        """Finish the video under way, and start another with the present frame."""
        self.close_video_recorder()
        name = f'{self.name_prefix}-step-{self.step_id}-to-step-{self.step_id + self.video_length}.mp4'
        frame = self._render()
        self._shape = frame.shape
        self.video_recorder = _Encoder(os.path.join(self.video_folder, name), frame.shape, self._fps)
        self.recording = True
        self.video_recorder.send(frame)
        self.recorded_frames = 1

    def step_wait(self) -> VecStep:
        result = self.venv.step_wait()
        self.step_id += 1
        if self.recording and self.video_recorder is not None:
            try:
                self.video_recorder.send(self._render())
            except BrokenPipeError:  # closing it says why
                self.close_video_recorder()
            self.recorded_frames += 1
            if self.recorded_frames > self.video_length:
                self.close_video_recorder()
        elif self.record_video_trigger(self.step_id):
            self.start_video_recorder()
        return result

    def _render(self) -> np.ndarray:
        """Render the environments as an image, of the same size as those before in the video under way."""
        frame = self.venv.render(mode='rgb_array')
        shape = np.shape(frame)
        if len(shape) != 3 or shape[2] != 3 or shape != (self._shape or shape):
            rendered = "nothing" if frame is None else f"an array of shape {shape}"
            raise ValueError(f"venv: it rendered {rendered} in mode 'rgb_array': accepted is an image of shape "
                             f"{self._shape or '(height, width, 3)'}")
        return np.ascontiguousarray(frame, np.uint8)

    def close_video_recorder(self) -> None:
        """Finish the video under way, if there is one."""
        recorder, self.video_recorder, self._shape = self.video_recorder, None, None
        self.recording = False
        self.recorded_frames = 0
        if recorder is not None:
            recorder.close()

    def close(self) -> None:
        self.close_video_recorder()
        self.venv.close()

    # the file of a recorder that was never closed must be playable all the same
    __del__ = close_video_recorder


class _Encoder:
    """A process of ffmpeg that makes a video of frames of a shape (height, width, 3)."""

    def __init__(self, path: str, shape: Tuple[int, ...], fps: float):
        # the common pixel format needs even sides: an odd one is scaled by one pixel
        height, width = ((side + 1) // 2 * 2 for side in shape[:2])
        self._path = path
        self._process: Any = subprocess.Popen(
            [_find_ffmpeg(), '-y', '-loglevel', 'error', '-f', 'rawvideo', '-pix_fmt', 'rgb24',
             '-s', f'{shape[1]}x{shape[0]}', '-r', str(fps), '-i', '-', '-vf', f'scale={width}:{height}',
             '-pix_fmt', 'yuv420p', path],
            stdin=subprocess.PIPE, start_new_session=True)  # Ctrl-C ends the training, not the video

    def send(self, frame: np.ndarray) -> None:
        """Add a frame; raise a BrokenPipeError if ffmpeg has ended."""
        self._process.stdin.write(frame)

    def close(self) -> None:
        """Finish the video; raise a RuntimeError if ffmpeg failed."""
        self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"ffmpeg ended with exit code {self._process.returncode} while it wrote {self._path}; "
                               "what it printed says why")


def _find_ffmpeg() -> str:
    """Return the path of imageio-ffmpeg's program or, without that package, of the system's."""
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
        return get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:  # RuntimeError: it was installed without the program
        path = shutil.which('ffmpeg')
        if path is None:
            raise ImportError(f"VecVideoRecorder needs ffmpeg: {pip_install('video')}, or the system's") from error
        return path


def _frames_per_second(venv: VecEnv) -> float:
    """Read from the environments' metadata how fast a video should play, 30 frames per second if they do not say."""
    metadata = venv.get_attr('metadata', indices=0)[0] or {}
    modes = metadata.get('render.modes', metadata.get('render_modes', []))
    if 'rgb_array' not in modes:
        raise ValueError(f"venv: its metadata list the render modes {modes}: a video needs 'rgb_array'")
    return metadata.get('video.frames_per_second', metadata.get('render_fps')) or 30


old_names.offer(__name__)
