import pytest
from fake_hub import FakeFile, FakeRepo, serve
from gguf_writer import Tensor, Typed, gguf, llama
from hostile import dripping, endless, hostile, whole
from huggingface_hub.utils import close_session

from llmgen.errors import InputError
from llmgen.facts.download import Download, fetch
from llmgen.facts.gguf_facts import ModelFile
from llmgen.facts.hub import Hub
from llmgen.facts.hub_names import HubFile, choose, hub_ref
from llmgen.web.limits import Limits

GIB = 2**30


def model(**shape) -> bytes:
    return gguf(*llama(**shape))


def size(**shape) -> int:
    metadata, tensors = llama(**shape)
    return len(gguf(metadata, tensors)) + sum(item.size + 32 for item in tensors)


def small() -> FakeFile:
    return FakeFile(model(), size())


def facts(hub, ref):
    found = hub_ref(ref)
    client = Hub(hub.url)
    return client.facts(client.repository(found.repo, found.revision), found)


def refusal(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    (found,) = caught.value.diagnostics
    assert found.hint
    return found


def test_facts_come_from_the_first_bytes(hub):
    hub.repos["org/repo"] = FakeRepo(
        {"m-Q4_K_M.gguf": small(), "README.md": FakeFile(b"x", lfs=False)}
    )
    found = facts(hub, "hf:org/repo:Q4_K_M")
    assert found.architecture == "llama"
    assert found.files[0].name == "org/repo/m-Q4_K_M.gguf"
    assert found.files[0].sha256 == hub.repos["org/repo"].files["m-Q4_K_M.gguf"].sha256


def test_a_model_of_75_gb_costs_a_few_mib(hub):
    # 151,936 tokens and a tensor that makes the file as large as a 120B model.
    tokens = [f"token{i}" for i in range(151_936)]
    metadata = {
        "general.architecture": "gpt-oss",
        "gpt-oss.block_count": 36,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": Typed("i32", [1] * len(tokens)),
        "tokenizer.ggml.merges": [f"{token} x" for token in tokens],
    }
    tensors = [Tensor("blk.0.ffn_up_exps.weight", (2**20, 75_000), "q8_0")]
    head = gguf(metadata, tensors)
    hub.repos["org/big"] = FakeRepo({"big-Q8_0.gguf": FakeFile(head, len(head) + tensors[0].size)})
    found = facts(hub, "hf:org/big:Q8_0")
    assert found.size_bytes > 75 * 10**9
    assert found.vocabulary == 151_936
    assert hub.bytes_served < len(head) + 4 * 2**20
    assert hub.bytes_served < 12 * 2**20


def test_every_shard_is_read(hub):
    meta, tensors = llama(layers=4)
    files = {}
    for number in range(3):
        part = tensors[number::3]
        split = {
            "split.no": Typed("u16", number),
            "split.count": Typed("u16", 3),
            "split.tensors.count": Typed("i32", len(tensors)),
        }
        head = gguf({**(meta if number == 0 else {}), **split}, part)
        name = f"UD-Q4_K_XL/big-UD-Q4_K_XL-{number + 1:05d}-of-00003.gguf"
        files[name] = FakeFile(head, len(head) + sum(item.size + 32 for item in part))
    hub.repos["org/split"] = FakeRepo(files)
    found = facts(hub, "hf:org/split:UD-Q4_K_XL")
    assert [file.name for file in found.files] == [f"org/split/{name}" for name in files]
    assert sum(group.count for group in found.tensors) == len(tensors)


def test_commit_is_pinned(hub):
    repo = hub.repos["org/repo"] = FakeRepo({"m-Q8_0.gguf": small()}, commit="1" * 40)
    assert Hub(hub.url).repository("org/repo").commit == "1" * 40
    repo.push({"m-Q8_0.gguf": small(), "new.gguf": small()}, "2" * 40)
    assert Hub(hub.url).repository("org/repo").commit == "2" * 40
    assert len(Hub(hub.url).repository("org/repo", "1" * 40).files) == 1


def test_repository_that_is_not_there(hub):
    found = refusal(facts, hub, "hf:org/absent:Q8_0")
    assert found.code == "hub.not-found"
    assert "`org/absent`" in found.message


def test_private_repository_opens_with_the_token(hub, monkeypatch):
    hub.repos["org/private"] = FakeRepo({"m-Q8_0.gguf": small()}, token="hf_secret")
    assert refusal(facts, hub, "hf:org/private:Q8_0").code == "hub.not-found"
    monkeypatch.delenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert facts(hub, "hf:org/private:Q8_0").architecture == "llama"


def test_gated_repository_says_how_to_get_access(hub):
    hub.repos["org/gated"] = FakeRepo({"m-Q8_0.gguf": small()}, token="t", gated=True)
    found = refusal(facts, hub, "hf:org/gated:Q8_0")
    assert found.code == "hub.gated"
    assert "terms" in found.hint


def test_revision_that_is_not_there(hub):
    hub.repos["org/repo"] = FakeRepo({"m-Q8_0.gguf": small()})
    found = refusal(facts, hub, "hf:org/repo:Q8_0@v9")
    assert (found.code, "`v9`" in found.message) == ("hub.no-revision", True)


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "hub.rate-limited"), (403, "hub.forbidden"), (500, "hub.failed"), (503, "hub.failed")],
)
def test_answer_of_the_hub_is_one_message(hub, status, code):
    hub.status = status
    assert refusal(facts, hub, "hf:org/repo:Q8_0").code == code


def test_hub_that_cannot_be_reached():
    # Port 9 (discard) is closed on loopback.
    found = refusal(Hub("http://127.0.0.1:9").repository, "org/repo")
    assert found.code == "hub.unreachable"


def test_hub_that_is_switched_off(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    close_session()
    found = refusal(facts, hub, "hf:org/repo:Q8_0")
    close_session()
    assert found.code == "hub.offline"
    assert hub.requests == []


def test_mirror_without_ranges_is_not_listened_to(hub):
    hub.ranges = False
    hub.repos["org/repo"] = FakeRepo({"m-Q8_0.gguf": FakeFile(model(), 20 * GIB)})
    assert refusal(facts, hub, "hf:org/repo:Q8_0").code == "facts.hub-range"


def test_file_that_is_no_model_is_named(hub):
    hub.repos["org/repo"] = FakeRepo({"m-Q8_0.gguf": FakeFile(b"<html>" * 1000)})
    found = refusal(facts, hub, "hf:org/repo:Q8_0")
    assert found.code == "facts.not-gguf"
    assert "`org/repo/m-Q8_0.gguf`" in found.message


NAMES = [
    "m-Q4_K_M.gguf", "m-Q8_0.gguf", "m-UD-Q4_K_M.gguf", "m-UD-Q4_K_XL.gguf", "m-IQ4_XS.gguf",
    "BF16/m-BF16-00001-of-00002.gguf", "BF16/m-BF16-00002-of-00002.gguf", "mmproj-F16.gguf",
    "mmproj-BF16.gguf", "m-imatrix.gguf", "m-MXFP4.gguf", "README.md",
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "first"),
    [
        ("Q4_K_M", "m-Q4_K_M.gguf"),
        ("q8_0", "m-Q8_0.gguf"),
        ("UD-Q4_K_M", "m-UD-Q4_K_M.gguf"),
        ("Q4_K_XL", "m-UD-Q4_K_XL.gguf"),
        ("BF16", "BF16/m-BF16-00001-of-00002.gguf"),
        ("mxfp4", "m-MXFP4.gguf"),
        ("mmproj-F16.gguf", "mmproj-F16.gguf"),
        ("mmproj-F16", "mmproj-F16.gguf"),
        ("", "m-Q4_K_M.gguf"),
    ],
)
def test_quant_or_file_is_found(what, first):
    files = [HubFile(name, 1, "") for name in NAMES]
    chosen = choose(files, hub_ref(f"hf:org/repo:{what}"))
    assert chosen[0].path == first
    assert len(chosen) == (2 if what == "BF16" else 1)


def test_what_is_not_there_lists_what_is():
    files = [HubFile(name, 1, "") for name in NAMES]
    found = refusal(choose, files, hub_ref("hf:org/repo:Q5_K_S"))
    assert found.code == "hub.no-file"
    assert "`m-Q8_0.gguf`" in found.hint
    assert "mmproj" not in found.hint


def test_two_files_of_one_quant_are_not_guessed():
    files = [HubFile(name, 1, "") for name in ("a-Q8_0.gguf", "b-Q8_0.gguf")]
    found = refusal(choose, files, hub_ref("hf:org/repo:Q8_0"))
    assert "several" in found.message


def test_repository_without_a_shard_is_refused():
    files = [HubFile(name, 1, "") for name in NAMES if "00002-of" not in name]
    assert refusal(choose, files, hub_ref("hf:org/repo:BF16")).code == "facts.shard-missing"


@pytest.mark.parametrize(
    "ref", ["hf:", "hf:repo:Q8_0", "hf:../..:Q8_0", "hf:a/b/c:Q8_0", "hf:a b/c:x"]
)
def test_name_that_is_no_repository_is_refused(ref):
    assert refusal(hub_ref, ref).code == "facts.hub-name"


@pytest.mark.parametrize(
    "page",
    [
        b"<html>log in to this network</html>",
        b"[]",
        b'{"id": "org/repo", "sha": "../../x", "siblings": []}',
        b'{"id": "org/repo", "sha": "%s", "siblings": [{"rfilename": "m.gguf", "size": -1}]}'
        % (b"a1" * 20),
        b'{"id": "org/repo", "sha": "%s", "siblings": [{"rfilename": "m.gguf", "size": 1, "lfs":'
        b' {"sha256": "../../x", "size": 1, "pointerSize": 1}}]}' % (b"a1" * 20),
    ],
)
def test_answer_of_something_else_is_one_message(hub, page):
    hub.page = page
    assert refusal(Hub(hub.url).repository, "org/repo").code == "facts.hub-answer"


def test_token_does_not_follow_to_another_server(hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "0")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.repos["org/repo"] = FakeRepo({"m-Q8_0.gguf": small()}, token="hf_secret")
    with serve() as elsewhere:
        elsewhere.repos = hub.repos
        hub.storage = elsewhere.url
        facts(hub, "hf:org/repo:Q8_0")
        assert hub.authorized
        assert elsewhere.requests
        assert not elsewhere.authorized


def test_more_than_was_asked_for_is_not_read(hub):
    hub.repos["org/repo"] = FakeRepo({"m-Q8_0.gguf": small()})
    hub.too_much = 2**32
    facts(hub, "hf:org/repo:Q8_0")
    assert hub.bytes_served < 2**28


def asked(server):
    return refusal(Hub(server.url).repository, "org/repo")


def test_hub_that_sends_without_end_is_left():
    with hostile(endless()) as server:
        found = asked(server)
        assert found.code == "answer.size"
        assert found.message.startswith("`org/repo` sends more than 32 MiB")
        assert "HF_ENDPOINT" in found.hint
        assert server.sent < 48 * 2**20


def test_hub_that_nests_without_end_is_left():
    with hostile(whole(b'{"a":' * 100_000)) as server:
        assert asked(server).code == "answer.depth"


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 O"])
def test_hub_that_drips_is_left(monkeypatch, head):
    monkeypatch.setattr("llmgen.facts.hub.HUB", Limits(0.5))
    with hostile(dripping(head)) as server:
        found = asked(server)
        assert found.message == "`org/repo` has not ended its answer after 0.5 s"
        assert server.sent < 200


def test_download_that_drips_is_left_and_its_part_stays(monkeypatch, tmp_path):
    monkeypatch.setattr("llmgen.web.watch.PACE_SECONDS", 0.3)
    at = ("org/repo", "1" * 40, "a.gguf")
    file = ModelFile("org/repo/a.gguf", 10**9, "")
    dripped = dripping(b"HTTP/1.1 206 P\r\nContent-Length: 1000000000\r\n\r\n")
    with hostile(dripped) as server:
        wanted = Download(file, at, tmp_path / "a.gguf")
        found = refusal(fetch, wanted, Hub(server.url), lambda done, size: None)
        assert found.code == "answer.pace"
        assert 0 < wanted.part.stat().st_size <= server.sent < 400
