"""Records of episodes."""
import json

import numpy as np
import pytest

from stable_baselines.bench import Monitor, load_results
from stable_baselines.bench.monitor import LoadMonitorResultsError, get_monitor_files
from stable_baselines.common.gym_compat import Env, make, spaces
from stable_baselines.common.vec_env import DummyVecEnv


class ShortEnv(Env):
    """Episodes of 3 steps with rewards 0.1, 0.2, 0.3; a single info dict."""
    observation_space = spaces.Discrete(9)
    action_space = spaces.Discrete(2)

    def reset(self, **kwargs):
        self.reset_kwargs = kwargs
        self.steps = 0
        self.info = {'level': 'a,b', 'other': 1}
        return 0

    def step(self, action):
        self.steps += 1
        return self.steps, 0.1 * self.steps, self.steps == 3, self.info


def play(env, n_episodes=1, **kwargs):
    """Play episodes; return the last step's info."""
    for _ in range(n_episodes):
        env.reset(**kwargs)
        done = False
        while not done:
            _, _, done, info = env.step(0)
    return info


def test_record_of_an_episode(tmp_path):
    env = Monitor(ShortEnv(), str(tmp_path / 'log'))
    info = play(env)
    episode = info['episode']
    assert set(episode) == {'r', 'l', 't'} and episode['r'] == 0.6 and episode['l'] == 3 and 0 <= episode['t'] < 60
    assert 'episode' not in env.unwrapped.info, "the environment's own dict is not changed"
    play(env)
    env.reset()
    env.step(0)
    assert env.get_total_steps() == 7
    assert env.get_episode_lengths() == [3, 3] and env.get_episode_rewards() == pytest.approx([0.6, 0.6])
    times = env.get_episode_times()
    assert len(times) == 2 and times[0] <= times[1]
    env.close()
    assert env.file_handler.closed


def test_file_format(tmp_path):
    env = Monitor(make('CartPole-v1'), str(tmp_path / 'log'))
    env.seed(0)
    play(env)
    header, names, row, rest = (tmp_path / 'log.monitor.csv').read_text().split('\n')
    assert header[0] == '#' and json.loads(header[1:]) == {'t_start': env.t_start, 'env_id': 'CartPole-v1'}
    assert names == 'r,l,t' and rest == ''
    reward, length, seconds = row.split(',')
    assert float(reward) == int(length) == env.get_episode_lengths()[0]
    assert float(seconds) == round(env.get_episode_times()[0], 6)


@pytest.mark.parametrize('name, expected', [('', 'monitor.csv'), ('x', 'x.monitor.csv'),
                                            ('x.monitor.csv', 'x.monitor.csv')])
def test_file_name(tmp_path, name, expected):
    Monitor(ShortEnv(), str(tmp_path / name)).close()
    assert [path.name for path in tmp_path.iterdir()] == [expected]
    assert get_monitor_files(str(tmp_path)) == [str(tmp_path / expected)]


def test_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = Monitor(ShortEnv(), None)
    assert play(env)['episode']['l'] == 3
    env.close()
    assert list(tmp_path.iterdir()) == []


def test_keywords(tmp_path):
    env = Monitor(ShortEnv(), str(tmp_path), reset_keywords=('goal',), info_keywords=('level',))
    with pytest.raises(ValueError, match='goal=None: .*must be given'):
        env.reset()
    episode = play(env, goal=4, colour='red')['episode']
    assert list(episode) == ['r', 'l', 't', 'level', 'goal'] and (episode['level'], episode['goal']) == ('a,b', 4)
    assert env.unwrapped.reset_kwargs == {'goal': 4, 'colour': 'red'}
    lines = (tmp_path / 'monitor.csv').read_text().splitlines()
    assert lines[1] == 'r,l,t,goal,level' and lines[2].endswith(',4,"a,b"')
    assert json.loads(lines[0][1:])['env_id'] is None
    frame = load_results(str(tmp_path))
    assert frame['goal'].tolist() == [4] and frame['level'].tolist() == ['a,b']


def test_missing_info_keyword():
    env = Monitor(ShortEnv(), None, info_keywords=('nothing',))
    with pytest.raises(KeyError, match='nothing'):
        play(env)


def test_order_of_calls():
    env = Monitor(ShortEnv(), None)
    with pytest.raises(RuntimeError, match='reset'):
        env.step(0)
    env.reset()
    env.step(0)
    env.reset()
    assert play(env)['episode']['l'] == 3
    with pytest.raises(RuntimeError, match='reset'):
        env.step(0)
    strict = Monitor(ShortEnv(), None, allow_early_resets=False)
    strict.reset()
    with pytest.raises(RuntimeError, match='allow_early_resets=True'):
        strict.reset()
    for _ in range(3):
        strict.step(0)
    strict.reset()


def test_in_a_vectorised_environment():
    venv = DummyVecEnv([lambda: Monitor(ShortEnv(), None)] * 2)
    venv.reset()
    infos = [venv.step([0, 0])[3] for _ in range(3)]
    assert ['episode' in step[1] for step in infos] == [False, False, True]
    assert infos[-1][1]['episode']['l'] == 3 and infos[-1][1]['terminal_observation'] == 3
    assert venv.env_method('get_total_steps') == [3, 3]


def test_load_results_joins_files_in_time(tmp_path):
    for name, start, rows in (('a', 100., [(1., 3, 5.), (2., 4, 20.)]), ('b', 110., [(3., 5, 2.)])):
        lines = ['#' + json.dumps({'t_start': start, 'env_id': 'X'}), 'r,l,t']
        lines += [','.join(map(str, row)) for row in rows]
        (tmp_path / (name + '.monitor.csv')).write_text('\n'.join(lines) + '\n')
    (tmp_path / 'old.monitor.json').write_text('{"t_start": 90.0, "env_id": "X"}\n{"r": 4.0, "l": 6, "t": 1.0}\n')
    frame = load_results(str(tmp_path))
    assert frame['r'].tolist() == [4., 1., 3., 2.] and frame['l'].tolist() == [6, 3, 5, 4]
    assert frame['t'].tolist() == [1., 15., 22., 30.]
    assert frame['index'].tolist() == [0, 0, 0, 1] and frame.index.tolist() == [0, 1, 2, 3]


def test_load_results_refuses(tmp_path):
    with pytest.raises(LoadMonitorResultsError, match='monitor.csv'):
        load_results(str(tmp_path))
    (tmp_path / 'monitor.csv').write_text('r,l,t\n')
    with pytest.raises(ValueError, match="not a monitor's file"):
        load_results(str(tmp_path))


def test_loads_what_it_wrote(tmp_path):
    env = Monitor(ShortEnv(), str(tmp_path))
    play(env, n_episodes=4)
    frame = load_results(str(tmp_path))
    assert frame['r'].tolist() == [0.6] * 4 and frame['l'].tolist() == [3] * 4
    np.testing.assert_allclose(frame['t'], env.get_episode_times(), atol=1e-6)
