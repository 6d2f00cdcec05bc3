"""Callbacks, tested on a model that only counts."""
import contextlib
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stable_baselines import logger
from stable_baselines.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    ConvertCallback,
    EvalCallback,
    EventCallback,
    EveryNTimesteps,
    ProgressBarCallback,
    StopTrainingOnRewardThreshold,
    make_callback,
)
from stable_baselines.common.gym_compat import Env, spaces
from stable_baselines.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize

ROOT = Path(__file__).resolve().parent.parent


class ScriptedEnv(Env):
    """Plays the episodes in ``rewards`` in turn, each a sequence of the rewards of its steps."""

    metadata = {'render.modes': ['human']}
    observation_space = spaces.Box(low=-10, high=10, shape=(1,), dtype=np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, rewards=((1.0, 2.0),)):
        self.rewards = rewards
        self.n_episodes = 0
        self.n_renders = 0

    def reset(self):
        self.n_steps = 0
        return np.zeros(1, dtype=np.float32)

    def step(self, action):
        rewards = self.rewards[self.n_episodes % len(self.rewards)]
        self.n_steps += 1
        done = self.n_steps == len(rewards)
        self.n_episodes += done
        return np.full(1, 5.0, dtype=np.float32), rewards[self.n_steps - 1], done, {}

    def render(self, mode='human'):
        self.n_renders += 1


class FakeModel:
    """What a callback needs of a model: time, an environment, saving and acting."""

    def __init__(self, env=None, n_envs=1):
        self.env = DummyVecEnv([ScriptedEnv]) if env is None else env
        self.num_timesteps = 0
        self.n_envs = n_envs
        self.saved = []
        self.seen = []

    def get_env(self):
        return self.env

    def save(self, path):
        self.saved.append(path)

    def predict(self, observation, state=None, mask=None, deterministic=False):
        self.seen.append((observation.copy(), deterministic))
        return np.zeros(len(observation), dtype=int), None

    def learn(self, total_timesteps, callback, reset_num_timesteps=True):
        """Do what learn does for callbacks: two steps per rollout, until the callback stops it."""
        if reset_num_timesteps:
            self.num_timesteps = 0
        target = self.num_timesteps + total_timesteps
        callback.init_callback(self)
        callback.on_training_start({'self': self, 'total_timesteps': total_timesteps}, globals())
        go_on = True
        while go_on and self.num_timesteps < target:
            callback.on_rollout_start()
            for _ in range(2):
                self.num_timesteps += self.n_envs
                callback.offer(steps=self.num_timesteps)
                go_on = callback.on_step()
                if go_on is False:
                    break
            callback.on_rollout_end()
        callback.on_training_end()
        return self


class Recorder(BaseCallback):
    """Writes down what is called, and returns the given result from each step."""

    def __init__(self, result=True, record=None):
        super().__init__()
        self.result = result
        self.record = [] if record is None else record

    def note(self, name):
        self.record.append((name, self.num_timesteps))

    def _init_callback(self):
        self.note('init')

    def _on_training_start(self):
        self.note('training_start')

    def _on_rollout_start(self):
        self.note('rollout_start')

    def _on_step(self):
        self.note('step')
        return self.result

    def _on_rollout_end(self):
        self.note('rollout_end')

    def _on_training_end(self):
        self.note('training_end')


def started(callback, model=None):
    """Return a callback that went through the start of training."""
    callback.init_callback(model or FakeModel())
    callback.on_training_start({}, {})
    return callback


class TestBaseCallback:
    def test_attributes_before_training(self):
        callback = Recorder()
        attributes = {name: getattr(callback, name) for name in (
            'model', 'training_env', 'n_calls', 'num_timesteps', 'verbose', 'locals', 'globals', 'logger', 'parent')}
        assert attributes == {'model': None, 'training_env': None, 'n_calls': 0, 'num_timesteps': 0, 'verbose': 0,
                              'locals': None, 'globals': None, 'logger': None, 'parent': None}

    def test_references_after_initialisation(self):
        callback, model = Recorder(), FakeModel()
        callback.init_callback(model)
        assert callback.model is model
        assert callback.training_env is model.env
        assert callback.logger is logger.Logger.CURRENT

    def test_hooks_come_in_order_with_the_time(self):
        callback = Recorder()
        FakeModel(n_envs=4).learn(16, callback)
        assert callback.record == [
            ('init', 0), ('training_start', 0),
            ('rollout_start', 0), ('step', 4), ('step', 8), ('rollout_end', 8),
            ('rollout_start', 8), ('step', 12), ('step', 16), ('rollout_end', 16), ('training_end', 16)]
        assert callback.n_calls == 4

    def test_a_second_training_starts_at_the_model_s_time_and_goes_on_counting_calls(self):
        callback, model = Recorder(), FakeModel()
        model.learn(2, callback)
        model.learn(2, callback)
        assert [time for name, time in callback.record if name == 'training_start'] == [0, 0]
        assert callback.n_calls == 4

    def test_locals_are_updated_in_place(self):
        callback, locals_, globals_ = Recorder(), {'a': 1}, {'b': 2}
        callback.init_callback(FakeModel())
        callback.on_training_start(locals_, globals_)
        callback.offer(a=3, c=4)
        callback.update_locals({'c': 5, 'd': 6})
        assert callback.locals is locals_
        assert callback.globals is globals_
        assert locals_ == {'a': 3, 'c': 5, 'd': 6}

    @pytest.mark.parametrize('result, goes_on', [(True, True), (None, True), (0, True), ('', True), (False, False),
                                                 (np.bool_(True), True), (np.bool_(False), False)])
    def test_only_false_stops(self, result, goes_on):
        assert started(Recorder(result)).on_step() is goes_on
        assert started(ConvertCallback(lambda locals_, globals_: result)).on_step() is goes_on
        assert started(CallbackList([Recorder(), Recorder(result), Recorder()])).on_step() is goes_on
        assert started(EveryNTimesteps(1, Recorder(result)), FakeModel()).on_step() is True
        model = FakeModel()
        model.num_timesteps = 1
        event = EveryNTimesteps(1, Recorder(result))
        event.init_callback(model)
        assert event.on_step() is goes_on

    def test_on_step_is_abstract(self):
        with pytest.raises(TypeError, match='_on_step'):
            BaseCallback()


class TestConvertCallback:
    def test_function_gets_locals_and_globals(self):
        seen = []
        FakeModel().learn(2, ConvertCallback(lambda locals_, globals_: seen.append((dict(locals_), globals_))))
        assert [locals_['steps'] for locals_, _ in seen] == [1, 2]
        assert seen[0][1] is globals()

    def test_none_goes_on(self):
        assert started(ConvertCallback(None)).on_step() is True

    def test_not_callable(self):
        with pytest.raises(TypeError, match='callback.*3'):
            ConvertCallback(3)


class TestCallbackList:
    def test_all_are_called_in_order_even_after_a_stop(self):
        record = []
        first, second = Recorder(False, record), Recorder(True, record)
        FakeModel().learn(10, CallbackList([first, second]))
        assert record == [
            ('init', 0), ('init', 0), ('training_start', 0), ('training_start', 0),
            ('rollout_start', 0), ('rollout_start', 0), ('step', 1), ('step', 1),
            ('rollout_end', 1), ('rollout_end', 1), ('training_end', 1), ('training_end', 1)]

    def test_children_see_the_same_locals(self):
        children = [Recorder(), EventCallback(Recorder())]
        callback = started(CallbackList(children))
        callback.offer(new=1)
        assert [child.locals for child in children + [children[1].callback]] == [{'new': 1}] * 3

    def test_functions_are_wrapped(self):
        seen = []
        callback = started(CallbackList([lambda locals_, globals_: seen.append(1), Recorder()]))
        assert callback.on_step() is True
        assert seen == [1]

    def test_empty(self):
        assert started(CallbackList([])).on_step() is True

    def test_listens_if_any_member_does(self):
        assert not CallbackList([]).listens
        assert not CallbackList([CallbackList([]), None]).listens
        assert CallbackList([CallbackList([]), CallbackList([Recorder()])]).listens
        assert Recorder().listens and EventCallback().listens

    def test_refuses_a_member_that_is_not_a_callback(self):
        with pytest.raises(TypeError, match='callback.*3'):
            CallbackList([3])


class TestMakeCallback:
    def test_callback_stays_itself(self):
        callback = Recorder()
        assert make_callback(callback) is callback

    def test_none_is_an_empty_list(self):
        assert make_callback(None).callbacks == []

    @pytest.mark.parametrize('sequence', [list, tuple])
    def test_sequence_is_a_list_of_callbacks(self, sequence):
        first, second = Recorder(), Recorder()
        assert make_callback(sequence([first, second])).callbacks == [first, second]

    def test_function_is_wrapped(self):
        callback = make_callback(print)
        assert type(callback) is ConvertCallback
        assert callback.callback is print

    def test_anything_else_is_refused(self):
        with pytest.raises(TypeError, match="callback='x': accepted is"):
            make_callback('x')


class TestEventCallback:
    def test_child_hears_of_the_start_and_of_events_only(self):
        child = Recorder()
        callback = EventCallback(child)
        assert child.parent is callback
        FakeModel().learn(2, callback)
        assert child.record == [('init', 0), ('training_start', 0)]
        assert callback._on_event() is True
        assert child.record[-1] == ('step', 2)
        assert child.n_calls == 1

    def test_without_child(self):
        assert EventCallback()._on_event() is True

    def test_refuses_a_child_that_is_not_a_callback(self):
        with pytest.raises(TypeError, match='callback'):
            EventCallback(lambda locals_, globals_: None)


class TestEveryNTimesteps:
    @staticmethod
    def trigger_times(child):
        return [time for name, time in child.record if name == 'step']

    def test_n_steps_is_a_lower_bound(self):
        child = Recorder()
        FakeModel(n_envs=2).learn(20, EveryNTimesteps(5, child))
        assert self.trigger_times(child) == [6, 12, 18]

    def test_a_second_training_triggers_as_the_first(self):
        child = Recorder()
        callback, model = EveryNTimesteps(4, child), FakeModel()
        for _ in range(2):
            model.learn(10, callback)
        assert self.trigger_times(child) == [4, 8] * 2

    def test_a_continued_training_goes_on_counting(self):
        child = Recorder()
        callback, model = EveryNTimesteps(4, child), FakeModel()
        model.learn(6, callback)
        model.learn(6, callback, reset_num_timesteps=False)
        assert self.trigger_times(child) == [4, 8, 12]

    def test_bad_interval(self):
        with pytest.raises(ValueError, match='n_steps.*0'):
            EveryNTimesteps(0, Recorder())


class TestCheckpointCallback:
    def test_names(self, tmp_path, capsys):
        model = FakeModel(n_envs=3)
        model.learn(12, CheckpointCallback(save_freq=2, save_path=str(tmp_path / 'a' / 'b'), name_prefix='pre'))
        assert model.saved == [str(tmp_path / 'a' / 'b' / name) for name in ('pre_6_steps', 'pre_12_steps')]
        assert (tmp_path / 'a' / 'b').is_dir()
        assert capsys.readouterr().out == ''

    def test_default_prefix_and_verbose(self, tmp_path, capsys):
        path = str(tmp_path / 'rl_model_1_steps')
        model = FakeModel()
        callback = started(CheckpointCallback(1, str(tmp_path), verbose=2), model)
        model.num_timesteps = 1
        assert callback.on_step() is True
        assert model.saved == [path]
        assert capsys.readouterr().out == f'Saving model checkpoint to {path}\n'

    def test_bad_frequency(self):
        with pytest.raises(ValueError, match='save_freq.*0'):
            CheckpointCallback(0, 'folder')


class TestEvalCallback:
    def test_results_best_model_and_file(self, tmp_path, capsys):
        # two episodes per evaluation: mean 3, then 2, then 4
        env = ScriptedEnv([(1.0, 2.0), (3.0,), (2.0,), (2.0,), (1.0, 2.0), (4.0, 1.0)])
        child, model = Recorder(), FakeModel(n_envs=2)
        callback = EvalCallback(env, callback_on_new_best=child, n_eval_episodes=2, eval_freq=2,
                                log_path=str(tmp_path / 'log'), best_model_save_path=str(tmp_path / 'best'))
        model.learn(12, callback)
        assert model.saved == [str(tmp_path / 'best' / 'best_model')] * 2
        assert [time for name, time in child.record if name == 'step'] == [4, 12]
        assert (callback.best_mean_reward, callback.last_mean_reward) == (4.0, 4.0)
        assert (tmp_path / 'best').is_dir()
        with np.load(str(tmp_path / 'log' / 'evaluations.npz')) as data:
            assert sorted(data) == ['ep_lengths', 'results', 'timesteps']
            assert data['timesteps'].tolist() == [4, 8, 12]
            assert data['results'].tolist() == [[[3], [3]], [[2], [2]], [[3], [5]]]
            assert data['ep_lengths'].tolist() == [[2, 1], [1, 1], [2, 2]]
        assert capsys.readouterr().out == (
            'Eval num_timesteps=4, episode_reward=3.00 +/- 0.00\nEpisode length: 1.50 +/- 0.50\n'
            'New best mean reward!\n'
            'Eval num_timesteps=8, episode_reward=2.00 +/- 0.00\nEpisode length: 1.00 +/- 0.00\n'
            'Eval num_timesteps=12, episode_reward=4.00 +/- 1.00\nEpisode length: 2.00 +/- 0.00\n'
            'New best mean reward!\n')

    def test_last_is_not_best(self):
        callback = EvalCallback(ScriptedEnv([(3.0,), (1.0,)]), n_eval_episodes=1, eval_freq=1, verbose=0)
        FakeModel().learn(2, callback)
        assert (callback.best_mean_reward, callback.last_mean_reward) == (3.0, 1.0)

    @pytest.mark.parametrize('deterministic, render', [(True, False), (False, True)])
    def test_how_it_acts(self, deterministic, render):
        env, model = ScriptedEnv(), FakeModel()
        callback = EvalCallback(env, n_eval_episodes=1, eval_freq=1, deterministic=deterministic, render=render,
                                verbose=0)
        started(callback, model).on_step()
        assert [flag for _, flag in model.seen] == [deterministic] * 2
        assert env.n_renders == (2 if render else 0)

    @pytest.mark.parametrize('eval_freq', [0, -1])
    def test_never(self, eval_freq):
        callback, model = EvalCallback(ScriptedEnv(), eval_freq=eval_freq), FakeModel()
        model.learn(4, callback)
        assert model.seen == []
        assert callback.last_mean_reward == -np.inf

    def test_statistics_of_the_training_environment_are_used(self):
        training_env = VecNormalize(DummyVecEnv([ScriptedEnv]))
        training_env.obs_rms.mean, training_env.obs_rms.var = np.array([3.0]), np.array([4.0])
        eval_env = VecNormalize(DummyVecEnv([ScriptedEnv]), training=False, norm_reward=False)
        callback, model = EvalCallback(eval_env, n_eval_episodes=1, eval_freq=1, verbose=0), FakeModel(training_env)
        started(callback, model).on_step()
        assert model.seen[1][0] == pytest.approx(np.array([[1.0]]))  # (5 - 3) / sqrt(4)
        assert callback.last_mean_reward == 3.0

    @pytest.mark.parametrize('wrap_training, wrap_eval, match', [
        (VecNormalize, lambda env: env, r"\['VecNormalize'\] != none"),
        (lambda env: VecFrameStack(env, 2), VecNormalize, r"\['VecFrameStack'\] != \['VecNormalize'\]")])
    def test_different_wrappers_warn(self, wrap_training, wrap_eval, match):
        callback = EvalCallback(wrap_eval(DummyVecEnv([ScriptedEnv])))
        with pytest.warns(UserWarning, match=match):
            callback.init_callback(FakeModel(wrap_training(DummyVecEnv([ScriptedEnv]))))

    @pytest.mark.parametrize('training_env', [ScriptedEnv(), DummyVecEnv([ScriptedEnv] * 2)])
    def test_unwrapped_environments_do_not_warn(self, training_env, recwarn):
        EvalCallback(ScriptedEnv()).init_callback(FakeModel(training_env))
        assert len(recwarn) == 0

    def test_refuses_several_environments(self):
        with pytest.raises(ValueError, match='eval_env.* 2'):
            EvalCallback(DummyVecEnv([ScriptedEnv] * 2))


class TestStopTrainingOnRewardThreshold:
    def learn(self, threshold, wrap=lambda callback: callback):
        stop = StopTrainingOnRewardThreshold(threshold, verbose=1)
        callback = EvalCallback(ScriptedEnv([(1.0,), (2.0,), (3.0,)]), callback_on_new_best=wrap(stop),
                                n_eval_episodes=1, eval_freq=1, verbose=0)
        return FakeModel().learn(10, callback)

    @pytest.mark.parametrize('threshold, stopped_at', [(2.0, 2), (2.5, 3), (5.0, 10)])
    def test_stops_when_the_threshold_is_reached(self, threshold, stopped_at, capsys):
        assert self.learn(threshold).num_timesteps == stopped_at
        assert ('Stopping training because the mean reward' in capsys.readouterr().out) is (stopped_at < 10)

    def test_in_a_list(self):
        assert self.learn(2.0, wrap=lambda stop: CallbackList([Recorder(), stop])).num_timesteps == 2

    @pytest.mark.parametrize('wrap', [lambda stop: stop, lambda stop: EveryNTimesteps(5, stop)])
    def test_needs_an_eval_callback(self, wrap):
        with pytest.raises(ValueError, match='EvalCallback'):
            wrap(StopTrainingOnRewardThreshold(1.0)).init_callback(FakeModel())


class FakeBar:
    """Keeps what a tqdm bar is given."""

    def __init__(self, total=None, **kwargs):
        self.total, self.n, self.closed = total, 0, False

    def update(self, increment):
        self.n += increment

    def close(self):
        self.closed = True


TABLES_AND_BAR = '''
import sys
sys.path.insert(0, 'tests')
from test_callbacks import BaseCallback, CallbackList, EvalCallback, FakeModel, ProgressBarCallback, ScriptedEnv, logger

class Tables(BaseCallback):
    def _on_step(self):
        logger.logkv('k', self.n_calls)
        logger.dumpkvs()
        return True

FakeModel().learn(4, CallbackList([ProgressBarCallback(), Tables(), EvalCallback(ScriptedEnv(), eval_freq=1)]))
'''


def as_shown(output):
    """Return the lines that a terminal shows of an output."""
    shown, column = [''], 0
    for character in output.rstrip():
        if character == '\n':
            shown.append('')
        if character in '\r\n':
            column = 0
        else:
            shown[-1] = shown[-1].ljust(column)[:column] + character + shown[-1][column + 1:]
            column += 1
    return shown


def on_terminal(script, size):
    """Run a script on a terminal, of so many rows and columns or of unknown size; return the lines that it shows."""
    pty, fcntl, termios = (pytest.importorskip(name) for name in ('pty', 'fcntl', 'termios'))
    terminal, child = pty.openpty()
    if size is not None:
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack('HHHH', *size, 0, 0))
    process = subprocess.Popen([sys.executable, '-W', 'ignore', '-c', script], stdin=child, stdout=child, stderr=child,
                               cwd=str(ROOT), env=dict(os.environ, TERM='dumb', PYTHONIOENCODING='utf-8'))
    os.close(child)
    output = b''
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
        while True:
            output += os.read(terminal, 1 << 16)
    os.close(terminal)
    assert process.wait() == 0, output.decode()
    return as_shown(output.decode())


class TestProgressBarCallback:
    @pytest.fixture
    def bars(self, monkeypatch):
        made = []

        class Tqdm:
            @staticmethod
            def tqdm(**kwargs):
                made.append(FakeBar(**kwargs))
                return made[-1]

        monkeypatch.setitem(sys.modules, 'tqdm', Tqdm)
        return made

    def test_counts_timesteps_and_closes(self, bars):
        FakeModel(n_envs=2).learn(8, ProgressBarCallback())
        assert [(bar.total, bar.n, bar.closed) for bar in bars] == [(8, 8, True)]

    def test_continued_training_starts_at_zero(self, bars):
        callback, model = ProgressBarCallback(), FakeModel()
        model.learn(4, callback)
        model.learn(6, callback, reset_num_timesteps=False)
        assert [(bar.total, bar.n, bar.closed) for bar in bars] == [(4, 4, True), (6, 6, True)]

    def test_steps_counted_after_the_last_call_are_shown(self, bars):
        model, callback = FakeModel(), ProgressBarCallback()
        callback.init_callback(model)
        callback.on_training_start({'total_timesteps': 100}, {})
        callback.on_step()
        assert bars[0].n == 0
        model.num_timesteps = 100  # as PPO1 does: after the rollout
        callback.on_training_end()
        assert bars[0].n == 100

    @pytest.mark.parametrize('trained, shown', [
        (96, (96, 96)), (112, (112, 112)),  # whole batches of 16 only: 100 %
        (84, (100, 84)),  # a callback has stopped it
        (0, (100, 0)),
    ])
    def test_end(self, bars, trained, shown):
        model, callback = FakeModel(), ProgressBarCallback()
        model.n_batch = 16
        callback.init_callback(model)
        callback.on_training_start({'total_timesteps': 100}, {})
        for model.num_timesteps in range(trained):
            callback.on_step()
            assert bars[0].n <= bars[0].total == 100
        model.num_timesteps = trained
        callback.on_training_end()
        assert (bars[0].total, bars[0].n) == shown

    def test_bar_that_an_exception_left_is_closed(self, bars):
        callback = ProgressBarCallback()
        callback.init_callback(FakeModel())
        callback.on_training_start({'total_timesteps': 100}, {})
        FakeModel().learn(4, callback)
        assert [bar.closed for bar in bars] == [True, True]

    def test_real_bar(self, capsys):
        pytest.importorskip('tqdm')
        FakeModel().learn(4, ProgressBarCallback())
        assert '4/4' in capsys.readouterr().err

    @pytest.mark.parametrize('size, width', [(None, 80), ((24, 60), 60)])
    def test_whole_on_a_terminal_with_tables(self, size, width):
        pytest.importorskip('tqdm')
        lines = [line.rstrip() for line in on_terminal(TABLES_AND_BAR, size)]
        assert lines[:3] == ['---------', '| k | 1 |', '---------'], lines
        assert lines[3].startswith('Eval num_timesteps=1') and lines[4].startswith('Episode length: 2.00'), lines
        assert lines[-1].startswith('100%|█') and len(lines[-1]) in (width - 1, width), lines
        assert all('|' not in line or line.startswith('| k |') for line in lines[:-1]), lines

    def test_whole_in_a_pipe(self):
        pytest.importorskip('tqdm')
        output = subprocess.run([sys.executable, '-W', 'ignore', '-c', TABLES_AND_BAR], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, cwd=str(ROOT), check=True).stdout.decode()
        lines = [line.rstrip() for line in as_shown(output)]
        assert lines[:3] == ['---------', '| k | 1 |', '---------'] and lines[-1].startswith('100%|█'), lines

    def test_missing_tqdm_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, 'tqdm', None)
        with pytest.raises(ImportError, match='needs tqdm: pip install tqdm'):
            ProgressBarCallback()
