import hashlib
import shutil

import pytest
from fake_hub import FakeFile, FakeRepo
from filelock import FileLock
from gguf_writer import llama, write_gguf, write_split
from msgspec.structs import replace

from llmgen.errors import InputError
from llmgen.facts.hub import Hub
from llmgen.facts.lock import Lock
from llmgen.facts.lock_models import lock_models
from llmgen.facts.pull import Presence, pull
from llmgen.facts.sources import Sources
from llmgen.facts.stores import find_stores

HUB = "hf:org/repo:Q8_0"
NAME = "org/repo/m-Q8_0.gguf"


def content(path):
    return FakeFile(path.read_bytes())


@pytest.fixture
def sources(tmp_path, hub):
    made = write_gguf(tmp_path / "made.gguf", *llama(vocabulary_size=2000), data="random")
    hub.repos["org/repo"] = FakeRepo({"m-Q8_0.gguf": content(made)})
    return Sources(tmp_path / "models", tmp_path, hub=Hub(hub.url))


@pytest.fixture
def entries(sources):
    return lock_models([HUB], sources, Lock()).lock.entries


class Watch:
    def __init__(self):
        self.seen = []

    def __call__(self, verb, file):
        return lambda done, size: self.seen.append((verb, file.name, done, size))


def run(entries, sources, **options):
    return pull(entries, sources, options.pop("watch", Watch()), pauses=(0, 0), **options)


def refusal(entries, sources, **options):
    with pytest.raises(InputError) as caught:
        run(entries, sources, **options)
    found = caught.value.diagnostics
    assert all(item.hint for item in found)
    return found


def part(sources):
    (found,) = sources.models.rglob("*.part")
    return found


def test_model_is_downloaded_to_its_name(sources, entries, hub):
    watch = Watch()
    (pulled,) = run(entries, sources, watch=watch)
    assert (pulled.name, pulled.presence) == (NAME, Presence.DOWNLOADED)
    served = hub.repos["org/repo"].files["m-Q8_0.gguf"].head
    assert (sources.models / NAME).read_bytes() == served
    assert watch.seen[-1] == ("get", NAME, len(served), len(served))
    assert [path.name for path in (sources.models / NAME).parent.iterdir()] == ["m-Q8_0.gguf"]


def test_second_pull_downloads_nothing(sources, entries, hub):
    run(entries, sources)
    served = hub.bytes_served
    (pulled,) = run(entries, sources)
    assert pulled.presence is Presence.PRESENT
    assert hub.bytes_served == served


def test_broken_connection_goes_on_where_it_broke(sources, entries, hub):
    size = entries[HUB].facts.size_bytes
    hub.break_after = third = size // 3
    before = hub.bytes_served
    hub.downloads.clear()
    run(entries, sources)
    assert (sources.models / NAME).read_bytes() == hub.repos["org/repo"].files["m-Q8_0.gguf"].head
    assert hub.downloads == [(start, size) for start in range(0, size, third)]
    assert len(hub.downloads) > 2
    assert hub.bytes_served - before == size


def test_interrupted_pull_is_resumed_by_the_next(sources, entries, hub):
    size = entries[HUB].facts.size_bytes
    run(entries, sources)
    whole = (sources.models / NAME).read_bytes()
    shutil.rmtree(sources.models)
    hub.status = 503
    assert refusal(entries, sources)[0].code == "hub.failed"
    part(sources).write_bytes(whole[: size // 2])
    hub.status = 0
    before = hub.bytes_served
    run(entries, sources)
    assert (sources.models / NAME).read_bytes() == whole
    assert hub.downloads[-1] == (size // 2, size)
    assert hub.bytes_served - before == size - size // 2


def test_a_server_that_sends_too_much_does_not_fill_the_disk(sources, entries, hub):
    hub.too_much = 2**32
    run(entries, sources)
    assert (sources.models / NAME).stat().st_size == entries[HUB].facts.size_bytes
    assert hub.bytes_served < 2**28


def test_other_content_than_locked_is_refused_and_kept(sources, entries, hub):
    files = hub.repos["org/repo"].files
    files["m-Q8_0.gguf"].head = files["m-Q8_0.gguf"].head[:-1] + b"!"
    (found,) = refusal(entries, sources)
    assert found.code == "pull.digest"
    assert not (sources.models / NAME).exists()
    assert part(sources).is_file()


def test_other_file_in_the_way_is_refused_and_untouched(sources, entries, hub):
    target = sources.models / NAME
    target.parent.mkdir(parents=True)
    target.write_bytes(b"mine")
    served = hub.bytes_served
    (found,) = refusal(entries, sources)
    assert found.code == "pull.mismatch"
    assert target.read_bytes() == b"mine"
    assert hub.bytes_served == served


def test_folder_in_the_way_is_refused(sources, entries):
    (sources.models / NAME).mkdir(parents=True)
    assert refusal(entries, sources)[0].code == "pull.mismatch"


def test_same_size_with_another_digest_is_refused_unless_trusted(sources, entries):
    run(entries, sources)
    target = sources.models / NAME
    target.write_bytes(target.read_bytes()[:-1] + b"!")
    assert refusal(entries, sources)[0].code == "pull.mismatch"
    assert run(entries, sources, trust_size=True)[0].presence is Presence.PRESENT


def test_disk_that_is_too_small_is_known_before(sources, entries, hub, monkeypatch):
    usage = shutil.disk_usage(sources.home)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=1000))
    served = hub.bytes_served
    (found,) = refusal(entries, sources)
    assert found.code == "pull.disk-full"
    assert hub.bytes_served == served
    assert not sources.models.exists()


def test_every_shard_is_pulled_and_a_lost_one_again(tmp_path, hub, sources):
    metadata, tensors = llama()
    paths = write_split(tmp_path / "split", "big-Q8_0", metadata, [tensors[:5], tensors[5:]])
    hub.repos["org/repo"] = FakeRepo({path.name: content(path) for path in paths})
    entries = lock_models([HUB], sources, Lock()).lock.entries
    assert len(run(entries, sources)) == 2
    (sources.models / "org/repo" / paths[1].name).unlink()
    assert [item.presence for item in run(entries, sources)] == [
        Presence.PRESENT,
        Presence.DOWNLOADED,
    ]


def test_locked_commit_is_pulled_after_a_new_one_came(sources, entries, hub):
    files = hub.repos["org/repo"].files
    hub.repos["org/repo"].push({"m-Q8_0.gguf": FakeFile(b"new")}, "9" * 40)
    run(entries, sources)
    digest = hashlib.sha256((sources.models / NAME).read_bytes()).hexdigest()
    assert digest == files["m-Q8_0.gguf"].sha256


def test_commit_that_is_gone_is_refused(sources, entries, hub):
    hub.repos["org/repo"].push({"m-Q8_0.gguf": FakeFile(b"new")}, "9" * 40)
    hub.repos["org/repo"].old.clear()
    found = refusal(entries, sources)[0]
    assert found.code == "hub.no-revision"
    assert "--update" in found.hint


def test_local_file_is_only_looked_for(tmp_path, sources):
    write_gguf(tmp_path / "models/a.gguf", *llama())
    entries = lock_models(["file:a.gguf"], sources, Lock()).lock.entries
    assert run(entries, sources)[0].presence is Presence.PRESENT
    (tmp_path / "models/a.gguf").unlink()
    assert run(entries, sources)[0].presence is Presence.ABSENT


def test_two_pulls_of_one_file_do_not_mix(sources, entries):
    digest = entries[HUB].facts.files[0].sha256
    (sources.models / "org/repo").mkdir(parents=True)
    with FileLock(sources.models / f"{NAME}.{digest[:12]}.part.lock"):
        assert refusal(entries, sources)[0].code == "pull.busy"


def stored(home, hub, place):
    """The model in another program's store below the home."""
    path = home / place
    path.parent.mkdir(parents=True)
    path.write_bytes(hub.repos["org/repo"].files["m-Q8_0.gguf"].head)
    return path


@pytest.mark.parametrize(
    "place",
    [
        ".cache/huggingface/hub/models--org--repo/blobs/DIGEST",
        ".lmstudio/models/org/repo/m-Q8_0.gguf",
        ".cache/llama.cpp/org_repo_m-Q8_0.gguf",
    ],
)
def test_copy_in_another_store_is_linked(tmp_path, sources, entries, hub, place):
    digest = entries[HUB].facts.files[0].sha256
    copy = stored(tmp_path, hub, place.replace("DIGEST", digest))
    served = hub.bytes_served
    known = replace(sources, stores=find_stores(tmp_path, {}))
    assert [item.presence for item in run(entries, known)] == [Presence.LINKED]
    assert (sources.models / NAME).samefile(copy)
    assert hub.bytes_served == served


def test_other_content_in_another_store_is_not_taken(tmp_path, sources, entries, hub):
    copy = stored(tmp_path, hub, ".lmstudio/models/org/repo/m-Q8_0.gguf")
    copy.write_bytes(copy.read_bytes()[:-1] + b"!")
    known = replace(sources, stores=find_stores(tmp_path, {}))
    assert [item.presence for item in run(entries, known)] == [Presence.DOWNLOADED]


def test_copy_on_another_disk_is_copied(tmp_path, sources, entries, hub, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    copy = stored(tmp_path, hub, ".lmstudio/models/org/repo/m-Q8_0.gguf")
    monkeypatch.setattr("os.link", refuse)
    known = replace(sources, stores=find_stores(tmp_path, {}))
    assert [item.presence for item in run(entries, known)] == [Presence.LINKED]
    assert (sources.models / NAME).read_bytes() == copy.read_bytes()
