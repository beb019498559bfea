"""Scenes made on Ray and in S3: the bytes of one process, whoever is killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cluster_work as work
import pytest
from bucket import Bucket

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes import cluster, engines
from open_elsa.scenes.cluster import RayCluster
from open_elsa.scenes.engines import run
from open_elsa.scenes.scene_set import SceneSet
from open_elsa.scenes.store import Store
from open_elsa.scenes.synthesis import SceneProgress

HERE = Path(__file__).parent
#: Shared memory of a node, for containers that have little.
STORE = 80 * 2**20
#: Nothing is sent out, logs go with the test, and a busy machine is waited for.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_gcs_server_port_wait_time_s": "300",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_DISABLE_IMPORT_WARNING": "1",
}


def node(**options: Any) -> dict[str, Any]:
    """A node of one task; its ports are given, since Ray waits a fixed time only for those that it draws itself."""
    ports = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
    return {"num_cpus": 1, "object_store_memory": STORE, **{p: work.free_port() for p in ports}, **options}


def add_node(made: Any) -> None:
    """Ray gives a node half a minute to start, which a very busy machine may not keep."""
    for attempt in range(3):
        try:
            made.add_node(**node())
        except Exception:
            if attempt == 2:
                raise
        else:
            made.wait_for_nodes(timeout=300)
            return


@pytest.fixture(scope="module")
def two_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cluster of two nodes on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUIET.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), *sys.path]))  # what tests hand to workers
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        import ray
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args=node(include_dashboard=False))
        try:
            add_node(made)
            yield made
        finally:
            ray.shutdown()
            made.shutdown()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = work.make_home(tmp_path_factory.mktemp("cluster") / "home")
    work.make(made, "one", 1)
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def on(cluster: Any, **options: Any) -> RayCluster:
    return RayCluster(cluster.address, **options)


def second_node(made: Any) -> Any:
    """A node that may be killed: never the head, also where a test before this one failed and left it alone."""
    if len(made.list_all_nodes()) < 2:
        add_node(made)
    return made.list_all_nodes()[-1]


def test_every_item_is_done_once_whatever_fails_on_the_way(two_nodes: Any, tmp_path: Path) -> None:
    arguments, wanted = (str(tmp_path), 10), [(item, item + 10) for item in range(6)]
    for task in (work.add, work.die_once, work.fail_once):
        assert sorted(run(work.hold, arguments, task, range(6), on(two_nodes))) == wanted
    assert {p.name for p in tmp_path.iterdir()} == {"died", "failed"}
    assert list(run(work.hold, arguments, work.add, (), on(two_nodes))) == []


def test_an_item_that_always_fails_is_named_with_its_reason(two_nodes: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"part 2 failed 3 times .* ValueError: item two is impossible; .*is kept"):
        list(run(work.hold, (str(tmp_path), 0), work.fail_always, range(6), on(two_nodes, attempts=3)))
    assert (tmp_path / "tries").read_text() == "..."


def test_a_lost_node_s_items_are_redone_on_another(two_nodes: Any, tmp_path: Path) -> None:
    node = second_node(two_nodes)
    results = run(work.hold, (str(tmp_path), 0), work.wait_for_go, range(6), losing(two_nodes, node, tmp_path))
    assert sorted(results) == [(item, item) for item in range(6)]
    add_node(two_nodes)


def losing(made: Any, node: Any, folder: Path) -> RayCluster:
    """The cluster, whose node is killed as soon as it works on an item; then all may go on."""
    import threading

    def kill() -> None:
        while not list(folder.glob(f"{node.node_id}.*")):
            time.sleep(0.02)
        (folder / f"doomed-{node.node_id}").touch()
        made.remove_node(node, allow_graceful=False)
        (folder / "go").touch()

    threading.Thread(target=kill, daemon=True).start()
    return on(made)


def test_the_same_bytes_from_processes_and_from_ray(two_nodes: Any, home: Path) -> None:
    wanted = contents(home / "one")
    seen: list[SceneProgress] = []
    work.make(home, "two", 2)
    made = work.make(home, "ray", on(two_nodes), seen.append)
    assert contents(home / "two") == contents(home / "ray") == wanted
    assert sorted(p.done for p in seen)[-1] == work.SCENES and len(seen) == 6
    assert len(made) == work.SCENES
    work.make(home, "ray", on(two_nodes), lambda _: pytest.fail("made again"))


def test_a_node_killed_in_the_middle_then_the_same_bytes(
    two_nodes: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, node = home / "notes", second_node(two_nodes)
    notes.mkdir()

    def held(setup: Any, arguments: Any, task: Any, parts: Any, engine: Any) -> Iterator[Any]:
        return run(setup, arguments, work.part_after_go, parts, engine)

    monkeypatch.setattr("open_elsa.scenes.synthesis.run", held)
    work.make(home, "killed", losing(two_nodes, node, notes))
    lost = {p.suffix for p in notes.glob(f"{node.node_id}.*")}
    assert lost and lost <= {p.suffix for p in notes.glob("*.*") if not p.name.startswith(node.node_id)}
    assert contents(home / "killed") == contents(home / "one")
    add_node(two_nodes)  # back again: there is nothing left to do
    work.make(home, "killed", on(two_nodes), lambda _: pytest.fail("made again"))


def test_a_driver_killed_by_kill_9_then_the_same_bytes(two_nodes: Any, home: Path) -> None:
    command = [sys.executable, str(HERE / "cluster_work.py"), str(home), "driver", two_nodes.address, "8"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with pytest.raises(DataError, match="is unfinished"):
        SceneSet.open(home / "driver")
    parts = {p: p.stat().st_mtime_ns for p in (home / "driver" / "parts").glob("part-*")}
    assert len(parts) >= 2
    kept: list[bool] = []
    work.make(
        home, "driver", on(two_nodes), lambda _: kept.append(all(p.stat().st_mtime_ns == t for p, t in parts.items()))
    )
    assert all(kept) and len(kept) == 6
    assert contents(home / "driver") == contents(home / "one")


def test_a_node_without_the_clips_stops_instead_of_leaving_scenes_out(
    two_nodes: Any, home: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "home"

    def hide(*_: object) -> None:
        (home / "clips").rename(moved)

    real = engines.run

    def hidden(*arguments: Any) -> Iterator[Any]:
        hide()
        yield from real(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("open_elsa.scenes.synthesis.run", hidden)
        try:
            with pytest.raises(DataError, match=r"has no .*clips: all nodes must reach"):
                work.make(home, "hidden", on(two_nodes, attempts=1))
        finally:
            moved.rename(home / "clips")


@pytest.fixture(scope="module")
def bucket(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A bucket with the clips and the rooms; before the cluster, whose workers get their environment from here."""
    made = Bucket()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**made.environment, "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}.items():
            patch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        system = s3fs.S3FileSystem()
        system.mkdir("bucket")
        for folder in ("clips", "bank"):
            system.put(str(home / folder), f"bucket/home/{folder}", recursive=True)
        yield made
    made.server.shutdown()


def s3_contents(url: str) -> dict[str, bytes]:
    store = Store(url)
    return {name: store.read(name) for name in store.list()}


def test_a_set_in_s3_has_the_same_bytes_though_requests_fail(bucket: Bucket, home: Path) -> None:
    bucket.refusals = {"parts/part-000001.parquet": 7, "set.json": 1}  # s3fs itself gives up after five
    made = work.make("s3://bucket/home", "set", 1)
    assert bucket.refused == 8
    assert s3_contents("s3://bucket/home/set") == contents(home / "one")
    assert Store("s3://bucket/home/set").list("parts/*") == []
    assert (made.render(3) == SceneSet.open(home / "one").render(3)).all()
    with pytest.raises(DataError, match=r"s3://nowhere/set/plan.json could not be written: check the name"):
        from open_elsa import corpora
        from open_elsa.scenes.bank import RoomBank
        from open_elsa.scenes.synthesis import make_scenes

        make_scenes("s3://nowhere/set", corpora.load(home / "clips").clips, RoomBank.open(home / "bank"), scenes=1)


def test_ray_reads_and_writes_s3(bucket: Bucket, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), *sys.path]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    import ray

    assert not ray.is_initialized()
    bucket.refusals = {"parts/part-000002.parquet": 1}
    engine = RayCluster("local", options={"num_cpus": 2, "object_store_memory": STORE})
    work.make("s3://bucket/home", "ray", engine)
    assert not ray.is_initialized()  # what was started was ended
    assert s3_contents("s3://bucket/home/ray") == contents(home / "one")
    assert len(list(tmp_path.glob("open-elsa/bank-*"))) == 1


def test_without_ray_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r'needs Ray: pip install "open-elsa\[ray\]"'):
        list(run(work.hold, (str(tmp_path), 0), work.add, range(2), RayCluster()))
    with pytest.raises(ConfigError, match=r"is of a Ray cluster: add --engine ray"):
        engines.engine(address="auto")
    with pytest.raises(ConfigError, match="processes or ray, not 'spark'"):
        engines.engine("spark")
    assert engines.engine(workers=3) == 3
    assert engines.engine("ray", address="auto").address == "auto"


@pytest.mark.parametrize("address", ["nonsense", "host:", ":1", "ray://host:1", "host:70000"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ConfigError, match="is local, auto or HOST:PORT"):
        RayCluster(address)


def test_a_cluster_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    address = f"127.0.0.1:{work.free_port()}"
    with pytest.raises(DataError, match=rf"no Ray cluster answers at {address}.*check the address"):
        list(run(work.hold, (str(tmp_path), 0), work.add, range(2), RayCluster(address)))
    assert RayCluster().address == cluster.LOCAL
