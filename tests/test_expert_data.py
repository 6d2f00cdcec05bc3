"""Trajectories of experts: files, images, minibatches, recording."""
import io
import pickle
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from helpers import make_cartpoles
from stable_baselines import A2C
from stable_baselines.common.gym_compat import Env, spaces
from stable_baselines.common.vec_env import DummyVecEnv, VecNormalize
from stable_baselines.gail import DataLoader, ExpertDataset, generate_expert_traj
from stable_baselines.gail.dataset.dataset import write_image

GOLDEN = Path(__file__).resolve().parent.parent.parent / "shared" / "golden"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"needs the original's files in {GOLDEN}")


def trajectories(*lengths):
    """Return episodes of these lengths; every step's observation and action hold its number."""
    n_steps = sum(lengths)
    starts = np.zeros(n_steps, bool)
    starts[np.cumsum([0] + list(lengths[:-1]))] = True
    return dict(obs=np.repeat(np.arange(n_steps, dtype=np.float32)[:, None], 2, axis=1),
                actions=np.arange(n_steps)[:, None], rewards=np.ones(n_steps), episode_starts=starts,
                episode_returns=np.array(lengths, float))


def dataset(*lengths, **kwargs):
    return ExpertDataset(traj_data=trajectories(*lengths), verbose=0, **kwargs)


def loader(n_rows=10, batch_size=4, **kwargs):
    data = trajectories(10)
    return DataLoader(np.arange(n_rows), data["obs"], data["actions"], batch_size, **kwargs)


class Counting(Env):
    """Observes the number of the step, in episodes of a given length, with a reward of one."""

    observation_space = spaces.Box(low=0, high=100, shape=(1,), dtype=np.float32)
    action_space = spaces.Discrete(200)

    def __init__(self, length=3):
        self.length = length

    def reset(self):
        self._step = 0
        return np.float32([0])

    def step(self, action):
        assert action == self._step + 100
        self._step += 1
        return np.float32([self._step]), 1., self._step == self.length, {}


class Coloured(Counting):
    """The same in colours: an image of constant red, green and blue, or only some of them."""

    def __init__(self, n_channels=3, length=3):
        super().__init__(length)
        self.observation_space = spaces.Box(low=0, high=255, shape=(36, 40, n_channels), dtype=np.uint8)

    def _image(self, obs):
        image = np.zeros(self.observation_space.shape, np.uint8)
        image[...] = [10 + int(obs[0]), 100, 200, 250][:image.shape[-1]]
        return image

    def reset(self):
        return self._image(super().reset())

    def step(self, action):
        obs, *rest = super().step(action)
        return (self._image(obs), *rest)


class TestDataLoader:
    def test_epochs_follow_one_another(self):
        batches = loader()
        assert len(batches) == 3
        for _ in range(2):
            assert [len(obs) for obs, _ in batches] == [4, 4, 2]
        obs, actions = next(batches)
        assert obs[:, 0].tolist() == actions[:, 0].tolist() == [0, 1, 2, 3]

    def test_one_epoch_only(self):
        batches = loader(infinite_loop=False)
        assert len(list(batches)) == 3 and list(batches) == []

    def test_no_partial_minibatch(self):
        batches = loader(partial_minibatch=False)
        assert len(batches) == 2 and [len(obs) for obs, _ in batches] == [4, 4]

    def test_every_epoch_is_shuffled_anew(self):
        batches = loader(shuffle=True)
        batches.np_random = np.random.RandomState(0)
        epochs = [np.concatenate([actions for _, actions in batches])[:, 0].tolist() for _ in range(2)]
        expected = np.random.RandomState(0)
        assert epochs == [expected.permutation(10).tolist() for _ in range(2)]

    @pytest.mark.parametrize("kwargs", [dict(batch_size=0), dict(n_workers=0), dict(max_queue_len=0),
                                        dict(backend="threads"), dict(batch_size=11, partial_minibatch=False),
                                        dict(n_rows=0)])
    def test_what_cannot_be_is_refused(self, kwargs):
        with pytest.raises(ValueError, match="accepted is"):
            loader(**kwargs)

    @pytest.mark.parametrize("kwargs", [dict(), dict(n_workers=3, max_queue_len=2), dict(backend="multiprocessing"),
                                        dict(sequential=True), dict(backend="sequential"), dict(start_process=False)])
    def test_images_are_read_in_order(self, tmp_path, kwargs):
        paths = []
        for index in range(10):
            paths.append(str(tmp_path / f"{index}.png"))
            write_image(paths[-1], np.full((4, 5, 3), index, np.uint8))
        threads = threading.active_count()
        batches = DataLoader(np.arange(10), np.array(paths), np.arange(10)[:, None], 4, **kwargs)
        for _ in range(2):
            read = list(batches)
            assert [obs.shape for obs, _ in read] == [(4, 4, 5, 3), (4, 4, 5, 3), (2, 4, 5, 3)]
            assert np.concatenate([obs[:, 0, 0, 2] for obs, _ in read]).tolist() == list(range(10))
            assert np.concatenate([actions[:, 0] for _, actions in read]).tolist() == list(range(10))
        next(batches)
        del batches
        for thread in threading.enumerate():  # which end with the loader
            if thread is not threading.main_thread() and "ThreadPool" in thread.name:
                thread.join(5)
        assert threading.active_count() <= threads

    @pytest.mark.parametrize("sequential", [True, False])
    def test_image_of_another_shape_is_named(self, tmp_path, sequential):
        paths = [str(tmp_path / f"{index}.png") for index in range(2)]
        for path, shape in zip(paths, ((4, 5, 3), (5, 4, 3))):
            write_image(path, np.zeros(shape, np.uint8))
        with pytest.raises(ValueError, match=r"1.png: an image of shape \(5, 4, 3\): accepted is \(4, 5, 3\), .*0.png"):
            next(DataLoader([0, 1], np.array(paths), np.zeros((2, 1)), 2, sequential=sequential))

    def test_missing_image_is_named(self, tmp_path):
        path = str(tmp_path / "gone.png")
        with pytest.raises(FileNotFoundError, match="gone.png"):
            next(DataLoader([0], np.array([path]), np.zeros((1, 1)), 1))


class TestExpertDataset:
    def test_split(self):
        data = dataset(6, 4, batch_size=3)
        assert (len(data.train_loader), len(data.val_loader)) == (3, 1)
        train, val = ([data.get_next_batch(split)[1] for _ in range(n)] for split, n in (("train", 3), ("val", 1)))
        assert sorted(np.concatenate(train + val)[:, 0]) == list(range(10))
        assert len(data.get_next_batch("train")[0]) == 3  # of the next epoch

    def test_split_is_the_same_each_time_and_leaves_numpys_generator_alone(self):
        before = np.random.get_state()[1].tolist()
        indices = [dataset(100).train_loader.indices.tolist() for _ in range(2)]
        assert indices[0] == indices[1] != sorted(indices[0])
        assert np.random.get_state()[1].tolist() == before

    def test_without_randomize_the_first_steps_are_for_training(self):
        data = dataset(10, randomize=False, batch_size=7)
        assert data.get_next_batch("train")[1][:, 0].tolist() == list(range(7))
        assert data.get_next_batch("val")[1][:, 0].tolist() == [7, 8, 9]

    @pytest.mark.parametrize("limit, n_steps, returns", [(-1, 9, [4, 3, 2]), (1, 4, [4]), (2, 7, [4, 3]),
                                                         (3, 9, [4, 3, 2]), (9, 9, [4, 3, 2])])
    def test_traj_limitation(self, limit, n_steps, returns):
        data = dataset(4, 3, 2, traj_limitation=limit)
        assert data.num_transition == len(data.observations) == len(data.actions) == n_steps
        assert data.num_traj == len(returns) and data.returns.tolist() == returns
        assert (data.avg_ret, data.std_ret) == (np.mean(returns), np.std(returns))

    def test_all_steps(self):
        data = dataset(6, 4)
        with pytest.raises(ValueError, match="init_dataloader"):
            data.get_next_batch()
        data.init_dataloader(10)
        assert sorted(data.get_next_batch()[1][:, 0]) == list(range(10))

    def test_restart_repeats_the_order(self):
        data = dataset(30, batch_size=4)
        data.init_dataloader(7)
        orders = []
        for _ in range(2):
            data.restart(np.random.RandomState(3))
            orders.append([data.get_next_batch(split)[1].tolist() for split in ("train", "val", None) * 3])
        assert orders[0] == orders[1]

    @pytest.mark.parametrize("kwargs, words", [
        (dict(), "expert_path=None, traj_data=None: accepted is one"),
        (dict(traj_data=trajectories(9), expert_path="x.npz"), "accepted is one"),
        (dict(traj_data=trajectories(9), train_fraction=0), "for both training and validation"),
        (dict(traj_data=trajectories(9), train_fraction=1), "for both training and validation"),
        (dict(traj_data=trajectories(9), train_fraction=2), "train_fraction=2"),
        (dict(traj_data=trajectories(9), traj_limitation=-2), "traj_limitation=-2: accepted is a positive"),
        (dict(traj_data=trajectories(9), batch_size=0), "batch_size=0"),
        (dict(traj_data=dict(obs=[1])), r"without \['actions', 'episode_starts', 'episode_returns'\]"),
        (dict(traj_data=dict(trajectories(9), actions=np.zeros((8, 1)))), "one row per step"),
        (dict(traj_data=dict(trajectories(9), episode_starts=np.zeros(9, bool))), "at least one episode"),
        (dict(traj_data=dict(trajectories(4, 5), episode_returns=np.ones(3))), "3 episode_returns: .* the 2 episodes"),
        (dict(traj_data=dict(trajectories(4, 5), episode_returns=np.ones(1))), "1 episode_returns: .* the 2 episodes")])
    def test_what_cannot_be_is_refused(self, kwargs, words):
        with pytest.raises(ValueError, match=words):
            ExpertDataset(verbose=0, **kwargs)

    def test_paths_of_a_dict_are_relative_to_the_current_folder(self, tmp_path, monkeypatch):
        (tmp_path / "here" / "frames").mkdir(parents=True)
        (tmp_path / "frames").mkdir()
        monkeypatch.chdir(str(tmp_path / "here"))
        for index in range(2):
            for value, folder in ((7, tmp_path / "here"), (9, tmp_path)):
                write_image(str(folder / "frames" / f"{index}.png"), np.full((4, 5, 3), value, np.uint8))
        data = dict(trajectories(2), obs=np.array(["frames/0.png", "frames/1.png"]))
        data = ExpertDataset(traj_data=data, train_fraction=.5, verbose=0)
        monkeypatch.chdir(str(tmp_path))
        assert np.unique(data.get_next_batch("train")[0]).tolist() == [7]

    def test_unknown_split_is_refused(self):
        with pytest.raises(ValueError, match="split='test': accepted is 'train', 'val' or None"):
            dataset(9).get_next_batch("test")

    def test_pickling_leaves_the_loaders_out(self):
        data = dataset(9, batch_size=4, train_fraction=.5)
        data.init_dataloader(3)
        copy = pickle.loads(pickle.dumps(data))
        assert copy.dataloader is copy.train_loader is copy.val_loader is None
        assert [len(copy.get_next_batch("train")[0]), len(copy.val_loader)] == [4, 2]

    def test_state_of_the_original_is_taken(self):
        state = {name: value for name, value in dataset(9).__getstate__().items()
                 if name not in ("batch_size", "train_fraction")}
        copy = ExpertDataset.__new__(ExpertDataset)
        copy.__setstate__(state)
        assert len(copy.get_next_batch("train")[0]) == 6

    def test_log(self, capsys):
        ExpertDataset(traj_data=trajectories(4, 2), verbose=1)
        assert capsys.readouterr().out.splitlines() == [
            "Total trajectories: 2", "Total transitions: 6", "Average returns: 3.0", "Std for returns: 1.0"]

    def test_plot(self, monkeypatch):
        plt = pytest.importorskip("matplotlib.pyplot")
        shown = []
        monkeypatch.setattr(plt, "hist", shown.append)
        monkeypatch.setattr(plt, "show", lambda: shown.append("shown"))
        dataset(4, 2).plot()
        assert shown[0].tolist() == [4, 2] and shown[1] == "shown"

    def test_a_file_runs_no_code(self, tmp_path):
        class Harm:
            def __reduce__(self):
                return print, ("harm",)

        np.savez(str(tmp_path / "bad.npz"), **dict(trajectories(2), episode_starts=np.array([Harm(), 1], object)))
        with pytest.raises(ValueError, match="print: accepted in a file of trajectories are arrays of plain values"):
            ExpertDataset(str(tmp_path / "bad.npz"), verbose=0)


class TestObjectArrays:
    @pytest.mark.parametrize("rows", [[np.float32([1, 2]), np.float32([3, 4])], [[1., 2.], [3., 4.]]])
    def test_arrays_and_numbers_become_plain(self, rows):
        obs = np.empty(2, object)
        obs[:] = rows
        for array in (obs, np.array(rows, object)):
            data = ExpertDataset(traj_data=dict(trajectories(2), obs=array, actions=array), verbose=0)
            assert data.observations.dtype.kind == data.actions.dtype.kind == "f"
            assert data.observations.tolist() == data.actions.tolist() == [[1, 2], [3, 4]]

    @pytest.mark.parametrize("convert", [str, Path, lambda path: str(path).encode()])
    def test_strings_are_paths(self, tmp_path, convert):
        for index in range(2):
            write_image(str(tmp_path / f"{index}.png"), np.full((4, 5, 3), index, np.uint8))
        paths = np.array([convert(tmp_path / f"{index}.png") for index in range(2)], object)
        data = ExpertDataset(traj_data=dict(trajectories(2), obs=paths), randomize=False, verbose=0, train_fraction=.5)
        assert data.get_next_batch("val")[0].tolist() == np.full((1, 4, 5, 3), 1).tolist()

    @pytest.mark.parametrize("name, elements", [("obs", [np.zeros(2), np.zeros(3)]), ("obs", [None, None]),
                                                ("actions", ["left", "right"]), ("actions", [{}, {}])])
    def test_others_are_refused(self, name, elements):
        array = np.empty(2, object)
        array[:] = elements
        with pytest.raises(ValueError, match=f"trajectories whose {name} are of type .*: accepted are numbers"):
            ExpertDataset(traj_data=dict(trajectories(2), **{name: array}), verbose=0)


def write_object_array(path, array_or_pickle, protocol, lengths=(3,)):
    """Write episodes of three steps whose ``episode_starts`` are objects, as NumPy does with this protocol."""
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, dict(descr="|O", fortran_order=False, shape=(3,)))
    pickled = array_or_pickle
    if not isinstance(pickled, bytes):
        pickled = pickle.dumps(array_or_pickle, protocol)
    np.savez(str(path), **{name: rows for name, rows in trajectories(*lengths).items() if name != "episode_starts"})
    with zipfile.ZipFile(str(path), "a") as archive:
        archive.writestr("episode_starts.npy", member.getvalue() + pickled)


def test_object_arrays_of_any_protocol(tmp_path):
    """Those that recorded a VecEnv: an array for every step."""
    starts = np.empty(3, object)
    starts[:] = [np.array([True]), np.bool_(False), np.array([], bool)]
    for protocol in range(2, 5):
        write_object_array(tmp_path / "old.npz", starts[:2].tolist() + [False], protocol)
        write_object_array(tmp_path / "old.npz", starts, protocol, lengths=(2, 1))
        assert ExpertDataset(str(tmp_path / "old.npz"), verbose=0).num_transition == 3


def test_object_arrays_of_python_2(tmp_path):
    """Its strings hold bytes, such as those of a float, and NumPy is called as it was then."""
    number = (b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(U\x02f8K\x00K\x01tR(K\x03U\x01<NNN"
              b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbU\x08" + np.float64(-2.5).tobytes() + b"tR")
    array = (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01(K\x03t"
             b"cnumpy\ndtype\n(U\x02O8K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89]("
             + number * 3 + b"etb.")
    write_object_array(tmp_path / "old.npz", array, 2, lengths=(1, 1, 1))
    data = ExpertDataset(str(tmp_path / "old.npz"), traj_limitation=2, train_fraction=.5, verbose=0)
    assert data.num_transition == 2  # each step begins an episode


def test_other_encodings_are_refused(tmp_path):
    pickled = b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR."
    write_object_array(tmp_path / "bad.npz", pickled, 2)
    with pytest.raises(ValueError, match="encoding='rot13': accepted in a file of trajectories is 'latin1'"):
        ExpertDataset(str(tmp_path / "bad.npz"), verbose=0)


@pytest.mark.parametrize("damage", [lambda content: content[:len(content) // 2], lambda content: content[:-3],
                                    lambda content: b"", lambda content: b"not a file of NumPy's",
                                    lambda content: content.replace(b"NUMPY", b"NUMPI", 1)])
def test_damaged_files_are_named(tmp_path, damage):
    path = tmp_path / "expert.npz"
    np.savez(str(path), **trajectories(20))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"expert_path='.*expert.npz': accepted is a whole .npz file.*copy or record"):
        ExpertDataset(str(path), verbose=0)


@pytest.mark.parametrize("pickled", [b"", b"\x80\x02]", b"."])
def test_damaged_object_arrays_are_named(tmp_path, pickled):
    write_object_array(tmp_path / "expert.npz", pickled, 2)
    with pytest.raises(ValueError, match=r"expert.npz': accepted is a whole .npz file"):
        ExpertDataset(str(tmp_path / "expert.npz"), verbose=0)


def test_a_single_array_is_not_an_expert(tmp_path):
    np.save(str(tmp_path / "obs.npy"), np.zeros(3))
    with pytest.raises(ValueError, match=r"obs.npy': accepted is a whole .npz file"):
        ExpertDataset(str(tmp_path / "obs.npy"), verbose=0)
    with pytest.raises(FileNotFoundError, match="nowhere.npz"):
        ExpertDataset(str(tmp_path / "nowhere.npz"), verbose=0)


@needs_golden
class TestFilesOfTheOriginal:
    @pytest.mark.parametrize("name, n_steps, obs_size, kind", [("cartpole", 255, 4, "i"), ("pendulum", 2000, 3, "f")])
    def test_vectors(self, name, n_steps, obs_size, kind):
        data = ExpertDataset(str(GOLDEN / f"expert_{name}.npz"), verbose=0)
        assert data.observations.shape == (n_steps, obs_size) and data.actions.shape == (n_steps, 1)
        assert data.actions.dtype.kind == kind and (data.num_traj, data.num_transition) == (10, n_steps)
        with np.load(str(GOLDEN / f"expert_{name}.npz"), allow_pickle=True) as archive:
            np.testing.assert_array_equal(data.observations, archive["obs"])
            np.testing.assert_array_equal(data.returns, archive["episode_returns"])
            starts = np.flatnonzero([bool(np.all(start)) for start in archive["episode_starts"]])
            rewards = np.add.reduceat(archive["rewards"].ravel(), starts)
        np.testing.assert_allclose(rewards, data.returns, rtol=1e-5)
        assert ExpertDataset(str(GOLDEN / f"expert_{name}.npz"), traj_limitation=3,
                             verbose=0).num_transition == starts[3]

    def test_images(self):
        cv2 = pytest.importorskip("cv2")
        data = ExpertDataset(str(GOLDEN / "expert_image.npz"), batch_size=40, randomize=False, verbose=0)
        data.init_dataloader(40)  # the folder that the file names is gone, it stands beside the file now
        obs, actions = data.get_next_batch()
        assert len(obs) == 40 and obs.dtype == np.uint8 and actions.shape == (40, 1)
        first = cv2.imread(str(GOLDEN / "expert_image_frames" / "0.jpg"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(obs[0], first[..., None] if first.ndim == 2 else first[..., ::-1])


class TestRecording:
    def test_function(self, tmp_path):
        data = generate_expert_traj(lambda obs: int(obs[0]) + 100, str(tmp_path / "expert"), Counting(), n_episodes=2)
        assert data["obs"].tolist() == [[0], [1], [2]] * 2 and data["obs"].dtype == np.float32
        assert data["actions"].tolist() == [[100], [101], [102]] * 2
        assert data["rewards"].tolist() == [1] * 6 and data["episode_returns"].tolist() == [3, 3]
        assert data["episode_starts"].tolist() == [True, False, False] * 2
        with np.load(str(tmp_path / "expert.npz"), allow_pickle=False) as archive:
            assert set(archive.files) == set(data)
            for name, array in data.items():
                np.testing.assert_array_equal(archive[name], array)

    def test_vec_env_with_episodes_of_different_lengths(self):
        env = DummyVecEnv([lambda: Counting(2), lambda: Counting(5)])
        data = generate_expert_traj(lambda obs: obs[:, 0].astype(int) + 100, env=env, n_episodes=5)
        assert sorted(data["episode_returns"]) == [2, 2, 5, 5, 5]  # and not whichever ended first
        assert data["episode_starts"].dtype == bool
        starts = np.flatnonzero(data["episode_starts"])
        assert np.diff(np.append(starts, len(data["obs"]))).tolist() == data["episode_returns"].tolist()
        assert (data["obs"][starts] == 0).all()
        np.testing.assert_array_equal(data["actions"], data["obs"] + 100)

    @pytest.mark.parametrize("n_envs", [1, 2])
    @pytest.mark.parametrize("policy", ["MlpPolicy", "MlpLstmPolicy"])
    def test_model(self, policy, n_envs):
        model = A2C(policy, make_cartpoles(n_envs), seed=0)
        data = generate_expert_traj(model, n_timesteps=20, n_episodes=3)
        assert model.num_timesteps == 20
        assert data["obs"].shape == (data["episode_returns"].sum(), 4) and len(data["episode_returns"]) == 3
        assert data["actions"].shape == (len(data["obs"]), 1) and data["episode_starts"].sum() == 3
        assert ExpertDataset(traj_data=data, verbose=0).num_traj == 3

    @pytest.mark.parametrize("n_channels", [1, 3, 4])
    @pytest.mark.parametrize("wrap", [lambda env: env, lambda env: DummyVecEnv([lambda: env])])
    def test_images(self, tmp_path, monkeypatch, n_channels, wrap):
        env, counter = wrap(Coloured(n_channels)), iter([100, 101, 102] * 2)
        expert = (lambda _: [next(counter)]) if isinstance(env, DummyVecEnv) else (lambda _: next(counter))
        (tmp_path / "made").mkdir()
        data = generate_expert_traj(expert, str(tmp_path / "made" / "expert"), env, n_episodes=2, image_folder="frames")
        ending = "png" if n_channels == 4 else "jpg"
        with np.load(str(tmp_path / "made" / "expert.npz")) as archive:
            assert archive["obs"].tolist() == [f"frames/{index}.{ending}" for index in range(6)]
            assert archive["episode_starts"].dtype == bool
        (tmp_path / "made").rename(tmp_path / "moved")
        monkeypatch.chdir(str(tmp_path))
        moved = ExpertDataset("moved/expert.npz", randomize=False, verbose=0)
        moved.init_dataloader(6)
        obs, _ = moved.get_next_batch()
        expected = [[10 + index % 3, 100, 200, 250][:n_channels] for index in range(6)]
        np.testing.assert_allclose(obs.mean(axis=(1, 2)), expected, atol=3)  # JPEG keeps no exact colours
        assert Path(data["obs"][0]).is_absolute()

    def test_images_are_written_while_the_episodes_run(self, tmp_path):
        n_written = []

        def expert(_):
            step = len(n_written)
            n_written.append(len(list(tmp_path.glob("recorded_images/*"))))
            return [100 + step % 2, 100 + step % 6]

        env = DummyVecEnv([lambda: Coloured(length=2), lambda: Coloured(length=6)])
        data = generate_expert_traj(expert, str(tmp_path / "expert"), env, n_episodes=2)
        assert n_written == [0, 2, 4, 5, 6, 7]  # and no more of the first environment, which has done its share
        assert sorted(data["obs"]) == [str(tmp_path / "recorded_images" / f"{index}.jpg") for index in range(8)]
        read = ExpertDataset.read_images(data["obs"])[:, 0, 0, 0].astype(float)
        np.testing.assert_allclose(read, [10, 11, 10, 11, 12, 13, 14, 15], atol=3)

    def test_folder_is_made_before_the_work(self, tmp_path):
        folder = tmp_path / "new" / "folder"

        def fails(_):
            assert folder.is_dir()
            raise KeyError("expert")

        with pytest.raises(KeyError, match="expert"):
            generate_expert_traj(fails, str(folder / "expert"), Counting(), n_episodes=1)

    def test_path_objects(self, tmp_path):
        counter = iter([100, 101, 102])
        generate_expert_traj(lambda _: next(counter), tmp_path / "made.npz", Coloured(), n_episodes=1,
                             image_folder=Path("frames"))
        data = ExpertDataset(tmp_path / "made.npz", verbose=0)
        assert data.num_transition == 3 and Path(data.observations[0]).parent == tmp_path / "frames"

    def test_images_without_a_file_stay_in_the_data(self):
        counter = iter([100, 101, 102])
        data = generate_expert_traj(lambda _: next(counter), env=Coloured(), n_episodes=1)
        assert data["obs"].shape == (3, 36, 40, 3) and data["obs"].dtype == np.uint8
        data = ExpertDataset(traj_data=data, verbose=0)
        assert data.get_next_batch("train")[0].shape == (2, 36, 40, 3)

    @pytest.mark.parametrize("training", [True, False])
    def test_normalised_environments(self, training):
        """The data hold what the expert sees, and what it earned; recording teaches the statistics nothing."""
        env = VecNormalize(VecNormalize(DummyVecEnv([Counting])))
        for wrapper in (env, env.venv):
            wrapper.training = training
            wrapper.obs_rms.mean, wrapper.obs_rms.var, wrapper.ret_rms.var = np.float64([1]), np.float64([4]), 9.
            wrapper.epsilon = 0
        before = pickle.dumps([env, env.venv])
        data = generate_expert_traj(lambda obs: (obs[:, 0] * 4 + 103).round().astype(int), env=env, n_episodes=2)
        np.testing.assert_allclose(data["obs"][:, 0], [-.75, -.5, -.25] * 2)  # ((0 - 1) / 2 - 1) / 2
        assert data["actions"][:, 0].tolist() == [100, 101, 102] * 2
        assert data["rewards"].tolist() == [1] * 6 and data["episode_returns"].tolist() == [3, 3]
        assert (env.training, env.venv.training) == (training, training)
        for wrapper, old in zip((env, env.venv), pickle.loads(before)):
            for name in ("obs_rms", "ret_rms"):
                assert vars(getattr(wrapper, name)) == vars(getattr(old, name))

        def fails(obs):
            raise KeyError("expert")

        with pytest.raises(KeyError, match="expert"):
            generate_expert_traj(fails, env=env, n_episodes=1)
        assert env.training == training

    def test_normalised_images_stay_in_the_data(self, tmp_path):
        """Files of images hold whole numbers from 0 to 255."""
        counter = iter([100, 101, 102] * 2)
        env = VecNormalize(DummyVecEnv([Coloured]))
        data = generate_expert_traj(lambda _: [next(counter)], str(tmp_path / "expert"), env, n_episodes=1)
        assert data["obs"].shape == (3, 36, 40, 3) and np.abs(data["obs"]).max() == 10
        assert [path.name for path in tmp_path.iterdir()] == ["expert.npz"]

    def test_discrete_observations(self):
        class Numbers(Counting):
            observation_space = spaces.Discrete(10)

            def reset(self):
                return int(super().reset()[0])

            def step(self, action):
                obs, *rest = super().step(action)
                return (int(obs[0]), *rest)

        data = generate_expert_traj(lambda obs: int(obs) + 100, env=Numbers(), n_episodes=1)
        assert data["obs"].tolist() == [[0], [1], [2]]

    @pytest.mark.parametrize("kwargs, words", [
        (dict(env=None), "env=None"), (dict(n_episodes=0), "n_episodes=0"), (dict(n_timesteps=5), "n_timesteps=5")])
    def test_what_cannot_be_is_refused(self, kwargs, words):
        with pytest.raises(ValueError, match=words):
            generate_expert_traj(lambda obs: 0, **dict(dict(env=Counting()), **kwargs))

    def test_other_actions_are_refused(self):
        env = Counting()
        env.action_space = spaces.MultiBinary(2)
        with pytest.raises(ValueError, match="accepted is Box or Discrete"):
            generate_expert_traj(lambda obs: 0, env=env)
