"""Whatever `kubectl` is and does: an answer within bounds, or one message with a hint."""

import time

import pytest
from foreign_kubectl import put

from llmgen.errors import InputError
from llmgen.operate.kubectl.place import ClusterPlace
from llmgen.operate.kubectl.program import KubectlBounds, run
from llmgen.operate.kubectl.reach import Reach, contexts

HERE = ClusterPlace("lab", "llm")
QUICK = KubectlBounds(seconds=3, size_bytes=1 << 20)


def refused(call):
    with pytest.raises(InputError) as told:
        call()
    (only,) = told.value.diagnostics
    assert only.hint
    return only


def test_every_call_names_context_and_namespace(tmp_path, monkeypatch):
    calls = put(tmp_path / "bin", "print('{}')", monkeypatch)
    Reach(HERE).value(("get", "pods"))
    assert [words[:2] for words in calls] == [["--context=lab", "--namespace=llm"]]


def test_one_that_never_answers_is_ended_with_all_that_it_started(tmp_path, monkeypatch):
    mark = tmp_path / "alive"
    script = (
        "import subprocess\n"
        f"subprocess.Popen(['sh', '-c', 'sleep 4; touch {mark}'])\n"
        "time.sleep(600)"
    )
    put(tmp_path / "bin", script, monkeypatch)
    begun = time.monotonic()
    only = refused(lambda: Reach(HERE).run(("get",), bounds=QUICK))
    assert only.code == "kubernetes.no-answer"
    assert time.monotonic() - begun < 20
    time.sleep(2)
    assert not mark.exists()


@pytest.mark.parametrize("stream", [1, 2])
def test_one_that_floods_is_ended(stream, tmp_path, monkeypatch):
    put(tmp_path / "bin", f"while True: os.write({stream}, b'x' * 65536)", monkeypatch)
    bounds = KubectlBounds(seconds=60, size_bytes=1 << 20)
    only = refused(lambda: Reach(HERE).run(("get",), bounds=bounds))
    assert only.code == "kubernetes.too-much"


def test_one_that_closes_its_streams_and_stays_is_ended(tmp_path, monkeypatch):
    put(tmp_path / "bin", "os.close(1); os.close(2); time.sleep(600)", monkeypatch)
    assert refused(lambda: Reach(HERE).run(("get",), bounds=QUICK)).code == "kubernetes.no-answer"


@pytest.mark.parametrize(
    "said",
    [
        "no json",
        "[]",
        "7",
        '{"kind":"List"}',
        '{"kind":"List","items":[1]}',
        '{"kind":"List","items":[{"kind":"Pod","apiVersion":"v1","metadata":{"name":1}}]}',
        "[" * 100_000,
        "\\0",
    ],
)
def test_garbage_is_named(said, tmp_path, monkeypatch):
    put(tmp_path / "bin", f"print({said!r})", monkeypatch)
    only = refused(lambda: Reach(HERE).listed(("get", "pods")))
    assert only.code == "kubernetes.garbage"
    assert len(only.message) < 300


def test_no_bytes_are_too_odd(tmp_path, monkeypatch):
    put(tmp_path / "bin", "os.write(2, bytes(range(256))); sys.exit(1)", monkeypatch)
    assert refused(lambda: Reach(HERE).must(("get",))).code == "kubernetes.refused"


def test_without_kubectl(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(contexts).code == "kubernetes.no-kubectl"
    assert refused(lambda: Reach(HERE).run(("get",))).code == "kubernetes.no-kubectl"
    assert refused(lambda: Reach(HERE).follow(("logs",))).code == "kubernetes.no-kubectl"


def test_a_context_that_is_not_known_is_not_followed(tmp_path, monkeypatch):
    calls = put(tmp_path / "bin", "print('others')", monkeypatch)
    assert refused(lambda: Reach(HERE).follow(("logs",))).code == "kubernetes.no-context"
    assert [*calls] == [["config", "get-contexts", "--output=name"]]


def test_one_that_may_not_be_run(monkeypatch, tmp_path):
    (tmp_path / "kubectl").write_text("no program")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(contexts).code == "kubernetes.no-kubectl"


def test_what_it_reads_may_be_large(tmp_path, monkeypatch):
    put(tmp_path / "bin", "print(len(sys.stdin.read()))", monkeypatch)
    done = run(("kubectl",), given="x" * 5_000_000, bounds=KubectlBounds())
    assert done.output == "5000000\n"


def test_defaults_of_its_user_are_none_of_ours(tmp_path, monkeypatch):
    put(
        tmp_path / "bin",
        "print(os.environ.get('KUBECTL_EXTERNAL_DIFF'), os.environ['KUBERC'])",
        monkeypatch,
    )
    monkeypatch.setenv("KUBECTL_EXTERNAL_DIFF", "meld")
    assert run(("kubectl",), bounds=KubectlBounds()).output == "None off\n"
