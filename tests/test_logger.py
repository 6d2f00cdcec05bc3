"""The logger: what each output writes, and how loggers are configured."""
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stable_baselines import logger

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def keep_loggers(monkeypatch):
    """Give each test a default logger of its own and no settings from the environment; restore everything after it."""
    for name in ('OPENAI_LOGDIR', 'OPENAI_LOG_FORMAT', 'OPENAI_LOG_FORMAT_MPI',
                 'OMPI_COMM_WORLD_RANK', 'PMI_RANK', 'PMIX_RANK'):
        monkeypatch.delenv(name, raising=False)
    default = logger.Logger(None, [logger.HumanOutputFormat(sys.stdout)])
    monkeypatch.setattr(logger.Logger, 'DEFAULT', default)
    monkeypatch.setattr(logger.Logger, 'CURRENT', default)
    yield
    if logger.Logger.CURRENT is not default:
        logger.Logger.CURRENT.close()


class TestHumanOutputFormat:
    def write(self, *rows):
        file = io.StringIO()
        output = logger.HumanOutputFormat(file)
        for row in rows:
            output.writekvs(row)
        return file.getvalue()

    def test_table_is_sorted_and_floats_have_three_digits(self):
        assert self.write({'steps': 100, 'b': 22.123456789, 'a': 1e9, 'rew': np.float64(-1234.5), 'none': None}) == (
            '--------------------\n'
            '| a     | 1e+09     |\n'
            '| b     | 22.1      |\n'
            '| none  | None      |\n'
            '| rew   | -1.23e+03 |\n'
            '| steps | 100       |\n'
            '--------------------\n').replace('--------------------', '-' * 21)

    def test_a_float_takes_eight_columns(self):
        assert self.write({'a': 3, 'b': 2.5}) == (
            '----------------\n| a | 3        |\n| b | 2.5      |\n----------------\n')

    def test_float32_shows_all_its_digits(self):
        assert '| a | 0.33333334 |\n' in self.write({'a': np.float32(1 / 3)})

    def test_23_characters_stay_and_24_are_cut(self):
        text = self.write({'k' * 23: 'v' * 24, 'l' * 24: 'w' * 23})
        assert '| ' + 'k' * 23 + ' | ' + 'v' * 20 + '... |\n' in text
        assert '| ' + 'l' * 20 + '... | ' + 'w' * 23 + ' |\n' in text

    def test_keys_that_are_equal_when_cut_are_both_shown(self):
        text = self.write({'k' * 30 + 'a': 1, 'k' * 30 + 'b': 2})
        assert [line[-5:] for line in text.splitlines()[1:-1]] == ['| 1 |', '| 2 |']

    def test_empty_row_warns_and_writes_nothing(self):
        with pytest.warns(UserWarning, match='empty'):
            assert self.write({}) == ''

    def test_messages(self):
        file = io.StringIO()
        output = logger.HumanOutputFormat(file)
        output.writeseq(['a', 'b'])
        output.writeseq(char for char in 'cd')
        output.close()
        assert file.getvalue() == 'a b\nc d\n'
        assert not file.closed

    def test_own_file_is_closed(self, tmp_path):
        output = logger.HumanOutputFormat(str(tmp_path / 'x.txt'))
        output.writeseq(['hello'])
        output.close()
        assert output.file.closed
        assert (tmp_path / 'x.txt').read_text() == 'hello\n'

    def test_standard_output_may_be_replaced_later(self, monkeypatch):
        output = logger.HumanOutputFormat(sys.stdout)
        monkeypatch.setattr(sys, 'stdout', io.StringIO())
        output.writeseq(['here'])
        assert sys.stdout.getvalue() == 'here\n'

    def test_only_paths_and_files_are_accepted(self):
        with pytest.raises(TypeError, match='filename_or_file.*3'):
            logger.HumanOutputFormat(3)


class TestCSVOutputFormat:
    def write(self, path, rows):
        output = logger.CSVOutputFormat(str(path))
        for row in rows:
            output.writekvs(row)
        output.close()
        return path.read_text()

    def test_new_keys_add_columns_and_old_rows_stay_right(self, tmp_path):
        assert self.write(tmp_path / 'x.csv', [{'a': 1, 'b': 2.5}, {'b': 3, 'c': 4}, {'a': 5}, {'d': 6}]) == (
            'a,b,c,d\n1,2.5,,\n,3,4,\n5,,,\n,,,6\n')

    def test_text_with_separators_and_line_ends_survives_growth(self, tmp_path):
        rows = [{'x,y': 'a "q", b\nc'}, {'x,y': None}, {'z': [1, 2]}]
        self.write(tmp_path / 'x.csv', rows)
        frame = logger.read_csv(str(tmp_path / 'x.csv'))
        assert list(frame.columns) == ['x,y', 'z']
        assert frame['x,y'][0] == 'a "q", b\nc'
        assert frame['x,y'][1:].isnull().all()
        assert frame['z'][2] == '[1, 2]'

    def test_rows_are_there_before_closing(self, tmp_path):
        output = logger.CSVOutputFormat(str(tmp_path / 'x.csv'))
        output.writekvs({'a': 1})
        assert (tmp_path / 'x.csv').read_text() == 'a\n1\n'
        output.close()

    def test_comments_before_the_header_are_skipped(self, tmp_path):
        (tmp_path / 'x.csv').write_text('#{"t": 1}\na,b\n1,x#y\n')
        assert logger.read_csv(str(tmp_path / 'x.csv')).values.tolist() == [[1, 'x#y']]


class TestJSONOutputFormat:
    def test_round_trip_of_numpy_values(self, tmp_path):
        path = str(tmp_path / 'x.json')
        row = {'i': np.int32(3), 'f': np.float32(0.5), 'b': np.bool_(True), 'a': np.arange(3.), 'l': [1, np.int64(2)],
               'n': None, 's': 'q"'}
        before = dict(row)
        output = logger.JSONOutputFormat(path)
        output.writekvs(row)
        output.writekvs({'i': 4, 'new': 1.5})
        output.close()
        assert all(row[key] is before[key] for key in before)
        frame = logger.read_json(path)
        assert frame['i'].tolist() == [3, 4]
        assert frame.iloc[0][['f', 'b', 'a', 'l', 's']].tolist() == [0.5, True, [0, 1, 2], [1, 2], 'q"']
        assert frame['new'].isnull().tolist() == [True, False]

    def test_values_that_json_cannot_hold_are_refused(self, tmp_path):
        output = logger.JSONOutputFormat(str(tmp_path / 'x.json'))
        with pytest.raises(TypeError, match='object'):
            output.writekvs({'a': object()})
        output.close()


class TestTensorBoardOutputFormat:
    def test_round_trip(self, tmp_path):
        output = logger.TensorBoardOutputFormat(str(tmp_path / 'tb'))
        output.writekvs({'b': 1, 'a': np.float32(2.5), 'text': 'no number', 'none': None, 'array': np.arange(3)})
        output.writekvs({'a': 3})
        output.close()
        output.close()
        assert output.step == 3
        frame = logger.read_tb(str(tmp_path / 'tb'))
        assert frame.index.tolist() == [0, 1]
        pd.testing.assert_frame_equal(frame, pd.DataFrame({'a': [2.5, 3.0], 'b': [1.0, np.nan]}))
        event_file, = (tmp_path / 'tb').iterdir()
        assert event_file.name.startswith('events.out.tfevents.')
        pd.testing.assert_frame_equal(frame, logger.read_tb(str(event_file)))

    def test_write_after_close(self, tmp_path):
        output = logger.TensorBoardOutputFormat(str(tmp_path))
        output.close()
        with pytest.raises(ValueError, match='close'):
            output.writekvs({'a': 1})

    def test_folder_without_scalars(self, tmp_path):
        assert logger.read_tb(str(tmp_path)).empty

    def test_missing_path(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='nothing'):
            logger.read_tb(str(tmp_path / 'nothing'))

    @pytest.mark.parametrize('value, valid', [(1, True), ('1.5', True), (np.float32(2), True), (True, True),
                                              (None, False), ('a', False), (np.arange(2), False)])
    def test_valid_float_value(self, value, valid):
        assert logger.valid_float_value(value) is valid

    def test_summary_val(self):
        value = logger.summary_val('tag', np.float32(3))
        assert (value.tag, value.simple_value) == ('tag', 3.0)


class TestLogger:
    def test_values_are_collected_dumped_and_forgotten(self, capsys):
        logger.logkv('a', 1)
        logger.record_tabular('a', 2)
        logger.logkvs({'b': 3})
        assert dict(logger.getkvs()) == {'a': 2, 'b': 3}
        logger.dump_tabular()
        assert capsys.readouterr().out == '---------\n| a | 2 |\n| b | 3 |\n---------\n'
        assert dict(logger.getkvs()) == {}

    def test_mean(self):
        for value in (1, 2, 6):
            logger.logkv_mean('a', value)
        logger.logkv_mean('b', None)
        logger.logkv_mean('c', None)
        logger.logkv_mean('c', 5)
        assert dict(logger.getkvs()) == {'a': pytest.approx(3), 'b': None, 'c': 5}

    def test_mean_starts_over_after_a_dump(self):
        logger.logkv_mean('a', 100)
        logger.dumpkvs()
        logger.logkv_mean('a', 1)
        assert logger.getkvs()['a'] == 1

    def test_levels(self, capsys):
        def write_all():
            for function in (logger.debug, logger.info, logger.warn, logger.error):
                function(function.__name__, 1)
            return capsys.readouterr().out.split()[::2]

        assert logger.get_level() == logger.INFO
        assert write_all() == ['info', 'warn', 'error']
        logger.set_level(logger.DEBUG)
        assert write_all() == ['debug', 'info', 'warn', 'error']
        logger.set_level(logger.ERROR)
        assert logger.get_level() == logger.ERROR
        assert write_all() == ['error']

    def test_disabled_writes_nothing_and_keeps_the_row(self, capsys):
        logger.set_level(logger.DISABLED)
        logger.error('no')
        logger.logkv('a', 1)
        logger.dumpkvs()
        assert capsys.readouterr().out == ''
        assert dict(logger.getkvs()) == {'a': 1}

    def test_profile_adds_up_and_keeps_the_function(self, monkeypatch):
        times = iter([10.0, 11.0, 20.0, 22.5, 30.0, 30.25])
        monkeypatch.setattr(logger.time, 'perf_counter', lambda: next(times))

        @logger.profile('call')
        def add(left, right=1):
            """Add."""
            return left + right

        assert add(1, right=2) == 3
        assert add(1) == 2
        with logger.ProfileKV('block'):
            pass
        assert dict(logger.getkvs()) == {'wait_call': 3.5, 'wait_block': 0.25}
        assert (add.__name__, add.__doc__) == ('add', 'Add.')


class TestConfigure:
    def test_default_outputs(self, tmp_path, capsys):
        folder = tmp_path / 'deep' / 'log'
        logger.configure(str(folder))
        logger.logkv('a', 1)
        logger.dumpkvs()
        out = capsys.readouterr().out
        assert out.startswith(f"Logging to {folder}\n---")
        assert (folder / 'log.txt').read_text() == out
        assert (folder / 'progress.csv').read_text() == 'a\n1\n'
        assert logger.get_dir() == str(folder)

    def test_environment_variables(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv('OPENAI_LOGDIR', str(tmp_path))
        monkeypatch.setenv('OPENAI_LOG_FORMAT', 'json, log,')
        logger.configure()
        assert sorted(os.listdir(str(tmp_path))) == ['log.txt', 'progress.json']
        assert capsys.readouterr().out == ''

    def test_arguments_override_environment_variables(self, tmp_path, monkeypatch):
        monkeypatch.setenv('OPENAI_LOGDIR', str(tmp_path / 'not'))
        monkeypatch.setenv('OPENAI_LOG_FORMAT', 'json')
        logger.configure(str(tmp_path / 'here'), [])
        assert os.listdir(str(tmp_path)) == ['here']
        assert os.listdir(str(tmp_path / 'here')) == []

    def test_default_folder_is_a_new_temporary_one(self, tmp_path, monkeypatch):
        monkeypatch.setattr(logger.tempfile, 'tempdir', str(tmp_path))
        logger.configure()
        folder = logger.get_dir()
        assert os.path.dirname(folder) == str(tmp_path)
        assert re.match(r'openai-\d{4}(-\d\d){5}-\d{6}$', os.path.basename(folder))

    @pytest.mark.parametrize('formats, files', [(None, ['log-rank003.txt']), ('csv', ['progress-rank003.csv'])])
    def test_other_ranks_have_their_own_files_and_no_terminal(self, tmp_path, monkeypatch, capsys, formats, files):
        monkeypatch.setenv('PMI_RANK', '3')
        monkeypatch.setenv('OPENAI_LOG_FORMAT', 'stdout')
        if formats:
            monkeypatch.setenv('OPENAI_LOG_FORMAT_MPI', formats)
        logger.configure(str(tmp_path))
        assert os.listdir(str(tmp_path)) == files
        assert capsys.readouterr().out == ''

    @pytest.mark.parametrize('arguments, error, match', [
        ((5, None), TypeError, 'folder.*5'),
        ((None, 'stdout'), TypeError, 'format_strs.*stdout'),
        ((None, ['xml']), ValueError, 'xml.*stdout, log, json, csv, tensorboard')])
    def test_bad_arguments(self, tmp_path, monkeypatch, arguments, error, match):
        monkeypatch.setenv('OPENAI_LOGDIR', str(tmp_path))
        before = logger.Logger.CURRENT
        with pytest.raises(error, match=match):
            logger.configure(*arguments)
        assert logger.Logger.CURRENT is before

    def test_reset(self, tmp_path, capsys):
        logger.configure(str(tmp_path), ['log'])
        output = logger.Logger.CURRENT.output_formats[0]
        logger.reset()
        assert logger.Logger.CURRENT is logger.Logger.DEFAULT
        assert output.file.closed
        logger.reset()
        assert capsys.readouterr().out == 'Reset logger\n'

    def test_scope(self, tmp_path):
        logger.configure(str(tmp_path / 'outer'), ['log'])
        outer = logger.Logger.CURRENT
        with pytest.raises(KeyError):
            with logger.ScopedConfigure(str(tmp_path / 'inner'), ['log']):
                inner = logger.Logger.CURRENT
                logger.info('inside')
                raise KeyError
        logger.info('outside')
        assert logger.Logger.CURRENT is outer
        assert inner.output_formats[0].file.closed
        assert (tmp_path / 'inner' / 'log.txt').read_text().splitlines()[1:] == ['inside']
        assert (tmp_path / 'outer' / 'log.txt').read_text().splitlines()[1:] == ['outside']

    def test_reset_inside_a_scope_leaves_the_default_logger_open(self, tmp_path):
        file = io.StringIO()
        logger.Logger.DEFAULT.output_formats = [logger.HumanOutputFormat(file)]
        with logger.ScopedConfigure(str(tmp_path), ['log']):
            logger.reset()
        logger.info('still here')
        assert file.getvalue() == 'Reset logger\nstill here\n'


DEMO = """\
hi
should appear
Logging to {tmp}/testlogging
----------------
| a | 3        |
| b | 2.5      |
----------------
----------------
| a | 5.5      |
| b | -2.5     |
----------------
^^^ should see a = 5.5
----------------
| a | 5.5      |
| b | -33.5    |
----------------
Logging to {tmp}/log
^^^ should see b = 33.3
Reset logger
-------------------------------
| a | longasslongasslongas... |
-------------------------------
hey
oh
"""


def test_demo(tmp_path):
    """``python -m stable_baselines.logger`` prints what the reference's prints."""
    env = dict(os.environ, PYTHONPATH=str(ROOT), TMPDIR=str(tmp_path), OPENAI_LOGDIR=str(tmp_path / 'log'))
    out = subprocess.run([sys.executable, '-m', 'stable_baselines.logger', '--help'], env=env, check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    assert out == DEMO.format(tmp=tmp_path)
    assert (tmp_path / 'testlogging' / 'progress.csv').read_text() == 'a,b\n3,2.5\n5.5,-2.5\n5.5,-33.45\n'
