"""Learning curves: the numbers behind them and what is drawn."""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import colors
from matplotlib import pyplot as plt

from stable_baselines import results_plotter
from stable_baselines.bench.monitor import LoadMonitorResultsError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close('all')


@pytest.fixture(name='log_dir')
def log_dir_fixture(tmp_path):
    """Give a folder with the monitor file of 200 episodes: rewards 0 to 199, 10 steps each, one every 36 seconds."""
    rows = ''.join(f'{i}.0,10,{36.0 * i}\n' for i in range(200))
    (tmp_path / 'monitor.csv').write_text('#{"t_start": 1.0, "env_id": "X"}\nr,l,t\n' + rows)
    return str(tmp_path)


class TestRollingWindow:
    def test_vector(self):
        assert results_plotter.rolling_window(np.arange(5), 3).tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]

    def test_last_axis_of_a_matrix(self):
        windows = results_plotter.rolling_window(np.arange(8).reshape(2, 4), 3)
        assert windows.tolist() == [[[0, 1, 2], [1, 2, 3]], [[4, 5, 6], [5, 6, 7]]]

    def test_strided_input(self):
        assert results_plotter.rolling_window(np.arange(8)[::2], 2).tolist() == [[0, 2], [2, 4], [4, 6]]

    @pytest.mark.parametrize('window', [3, 10])
    def test_window_longer_than_the_array(self, window):
        assert results_plotter.rolling_window(np.arange(2), window).shape == (0, window)

    def test_view_can_not_be_written(self):
        with pytest.raises(ValueError):
            results_plotter.rolling_window(np.arange(5), 3)[0, 0] = 1

    def test_bad_window(self):
        with pytest.raises(ValueError, match='window=0'):
            results_plotter.rolling_window(np.arange(5), 0)


def test_window_func():
    x_var, y_var = results_plotter.window_func(np.arange(5), np.array([0., 3., 6., 0., 3.]), 3, np.mean)
    assert x_var.tolist() == [2, 3, 4]
    assert y_var.tolist() == [3, 3, 3]


class TestTs2xy:
    episodes = pd.DataFrame({'r': [1., 2., 3.], 'l': [10, 20, 30], 't': [3600., 7200., 9000.]}, index=[5, 6, 7])

    @pytest.mark.parametrize('xaxis, expected', [('timesteps', [10, 30, 60]), ('episodes', [0, 1, 2]),
                                                 ('walltime_hrs', [1., 2., 2.5])])
    def test_axes(self, xaxis, expected):
        x_var, y_var = results_plotter.ts2xy(self.episodes, xaxis)
        assert x_var.tolist() == expected
        assert y_var.tolist() == [1, 2, 3]

    def test_unknown_axis(self):
        with pytest.raises(ValueError, match="xaxis='foo': accepted are timesteps, episodes, walltime_hrs"):
            results_plotter.ts2xy(self.episodes, 'foo')


class TestPlotCurves:
    def plot(self, *curves):
        results_plotter.plot_curves([(np.asarray(x), np.asarray(y)) for x, y in curves], 'timesteps', 'Title')
        figure = plt.gcf()
        return figure, figure.axes[0]

    def test_points_means_and_labels(self):
        figure, axes = self.plot((np.arange(150), np.arange(150) % 2), (np.arange(40) + 10, np.ones(40)))
        assert figure.get_size_inches().tolist() == [8, 2]
        assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ('Title', 'timesteps', 'Episode Rewards')
        assert axes.get_xlim() == (0, 149)
        assert [len(points.get_offsets()) for points in axes.collections] == [150, 40]
        mean, = axes.lines  # 40 points have no mean over 100
        assert mean.get_xdata().tolist() == list(range(99, 150))
        assert mean.get_ydata() == pytest.approx(np.full(51, 0.5))

    def test_points_and_mean_have_one_color(self):
        _, axes = self.plot(*[(np.arange(100), np.zeros(100))] * 2)
        assert [line.get_color() for line in axes.lines] == ['blue', 'green']
        assert [colors.to_hex(points.get_facecolor()[0]) for points in axes.collections] == \
            [colors.to_hex(color) for color in ('blue', 'green')]

    def test_more_curves_than_colors(self):
        _, axes = self.plot(*[(np.arange(100), np.zeros(100))] * (len(results_plotter.COLORS) + 1))
        assert axes.lines[-1].get_color() == axes.lines[0].get_color() == 'blue'

    @pytest.mark.parametrize('curves', [(), (([], []),)])
    def test_nothing_to_plot(self, curves):
        _, axes = self.plot(*curves)
        assert sum(len(points.get_offsets()) for points in axes.collections) == 0

    def test_one_episode(self):
        _, axes = self.plot(([0], [2.0]))
        assert axes.collections[0].get_offsets().tolist() == [[0, 2]]


class TestPlotResults:
    @pytest.mark.parametrize('num_timesteps, xaxis, n_points, last', [
        (500, 'timesteps', 50, [500, 49]),
        (None, 'episodes', 200, [199, 199]),
        (1e9, 'walltime_hrs', 200, [1.99, 199])])
    def test_curves(self, log_dir, num_timesteps, xaxis, n_points, last):
        results_plotter.plot_results([log_dir, log_dir], num_timesteps, xaxis, 'Task')
        axes = plt.gcf().axes[0]
        assert (axes.get_title(), axes.get_xlabel()) == ('Task', xaxis)
        assert len(axes.collections) == 2
        for points in axes.collections:
            assert len(points.get_offsets()) == n_points
            assert points.get_offsets()[-1].tolist() == pytest.approx(last)

    def test_each_call_makes_a_figure(self, log_dir):
        for _ in range(2):
            results_plotter.plot_results([log_dir], None, 'timesteps', 'Task')
        assert len(plt.get_fignums()) == 2

    def test_folder_without_monitor_files(self, tmp_path):
        with pytest.raises(LoadMonitorResultsError):
            results_plotter.plot_results([str(tmp_path)], None, 'timesteps', 'Task')

    def test_one_path_in_place_of_a_list(self, log_dir):
        with pytest.raises(TypeError, match='dirs'):
            results_plotter.plot_results(log_dir, None, 'timesteps', 'Task')


class TestMain:
    def test_options(self, log_dir, monkeypatch):
        shown = []
        monkeypatch.setattr(plt, 'show', lambda: shown.append(plt.gcf().axes[0]))
        monkeypatch.setattr(sys, 'argv', ['results_plotter', '--dirs', log_dir, log_dir, '--num_timesteps', '100',
                                          '--xaxis', 'episodes', '--task_name', 'Pong'])
        results_plotter.main()
        axes, = shown
        assert (axes.get_title(), axes.get_xlabel()) == ('Pong', 'episodes')
        assert [len(points.get_offsets()) for points in axes.collections] == [10, 10]

    def test_defaults(self, log_dir, tmp_path, monkeypatch):
        shown = []
        monkeypatch.setattr(plt, 'show', lambda: shown.append(plt.gcf().axes[0]))
        os.rename(os.path.join(log_dir, 'monitor.csv'), str(tmp_path / 'kept'))
        (tmp_path / 'log').mkdir()
        os.rename(str(tmp_path / 'kept'), str(tmp_path / 'log' / 'monitor.csv'))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', ['results_plotter'])
        results_plotter.main()
        assert (shown[0].get_title(), shown[0].get_xlabel()) == ('Breakout', 'timesteps')
        assert len(shown[0].collections[0].get_offsets()) == 200

    def test_help_of_the_command(self):
        env = dict(os.environ, PYTHONPATH=str(ROOT), COLUMNS='150')
        out = subprocess.run([sys.executable, '-m', 'stable_baselines.results_plotter', '--help'], env=env, check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        for text in ('usage: results_plotter.py', '--num_timesteps NUM_TIMESTEPS', "(default: ['./log'])",
                     '(default: timesteps)', '(default: Breakout)'):
            assert text in out
