"""Before a pod ends: its hook is done when the real server's running answers are, and not before."""

import contextlib
import json
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
import readers
from gguf_writer import write_llama
from made import objects, pod_specs, stack
from readers.ports import free_port
from readers.running import running

KEY = "s3cret"
MODEL = """
[services]
start_port = {port}
{more}
[models.a]
model = "a.gguf"
ctx_size = 1024
keep = "{keep}"
"""
ANSWER = {"prompt": "a", "n_predict": 1500, "ignore_eos": True, "stream": False}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    # Slow enough that an answer takes seconds.
    path = tmp_path_factory.mktemp("model") / "a.gguf"
    return write_llama(path, embedding=256, heads=4, layers=4)


def hook(name, made, *, seconds=110, key=""):
    """The words of a pod's hook, which begins at once, has so many seconds, and a key of ours.

    They are as a kubelet executes them: it fills in and takes away nothing.
    """
    words = pod_specs(objects(made))[name]["containers"][0]["lifecycle"]["preStop"]["exec"]
    *start, _, _, file = words["command"]
    return [*start, "0", str(seconds), str(key) if file else ""]


def took(words):
    """How long the hook runs."""
    start = time.monotonic()
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    return time.monotonic() - start


class Answer(threading.Thread):
    """A long answer; ``seconds`` is when it ended."""

    def __init__(self, url, key="", **more):
        super().__init__()
        self.url, self.more = url, more
        self.headers = authorized(key)
        self.status = self.ended = None

    def run(self):
        given = {**ANSWER, **self.more}
        found = httpx.post(self.url, json=given, headers=self.headers, timeout=120)
        self.status, self.ended = found.status_code, time.monotonic()


def authorized(key):
    return {"Authorization": f"Bearer {key}"} if key else {}


def processing(url, key):
    page = httpx.get(f"{url}/slots", headers=authorized(key), timeout=30).text
    return '"is_processing":true' in page


def began(url, key=""):
    end_of_patience = time.monotonic() + 60
    while not processing(url, key):
        assert time.monotonic() < end_of_patience
        time.sleep(0.02)


@pytest.fixture
def server(model, tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = [readers.find("llama-server"), "-m", model, "--port", port, "-c", 8192, "-np", 1]
    words += ["--api-key", KEY, "-t", 1]
    with running(words, ready=f"{url}/health", log=tmp_path / "log"):
        yield url, port


@pytest.mark.reader("llama-server", "curl")
def test_hook_waits_for_running_and_waiting_answers(server, tmp_path):
    url, port = server
    file = tmp_path / "key"
    file.write_text(KEY)
    text = MODEL.format(port=port, keep="always", more='api_key = { env = "KEY" }')
    words = hook("model-a", stack(text), key=file)
    assert took(words) < 10
    # The second waits for the only slot.
    answers = [Answer(f"{url}/completion", KEY) for _ in range(2)]
    for one in answers:
        one.start()
    began(url, KEY)
    took(words)
    done = time.monotonic()
    for one in answers:
        one.join()
    assert [one.status for one in answers] == [200, 200]
    assert all(one.ended < done for one in answers)


@pytest.mark.thorough
@pytest.mark.reader("llama-server", "curl")
def test_hook_gives_up_after_the_longest_answer(server, tmp_path):
    url, port = server
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    text = MODEL.format(port=port, keep="always", more='api_key = { env = "KEY" }')
    answer = Answer(f"{url}/completion", KEY)
    answer.start()
    began(url, KEY)
    words = hook("model-a", stack(text), seconds=1, key=file)
    assert took(words) < 5
    assert processing(url, KEY)
    answer.join()


def swap(folder, model, port):
    """llama-swap, which starts a server for the model."""
    server = f"{readers.find('llama-server')} -m {model} --port ${{PORT}} -c 8192 -t 1"
    told = {"startPort": free_port(following=1), "models": {"a": {"cmd": server}}}
    (folder / "config.yaml").write_text(json.dumps(told))
    words = ["-config", folder / "config.yaml", "-listen", f"127.0.0.1:{port}"]
    return [readers.find("llama-swap"), *words]


def router(folder, model, port):
    """llama-server in router mode, the same."""
    (folder / "models.ini").write_text(f"[a]\nmodel = {model}\nc = 8192\nthreads = 1\n")
    words = ["--models-preset", folder / "models.ini", "--models-max", 1, "--port", port]
    return [readers.find("llama-server"), *words]


@pytest.mark.thorough
@pytest.mark.reader("llama-server", "llama-swap", "curl")
@pytest.mark.parametrize(("engine", "name"), [(swap, "llama_swap"), (router, "router")])
def test_hook_of_an_engine_waits_for_the_servers_that_it_started(engine, name, model, tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    made = stack(MODEL.format(port=1024, keep="on_demand", more=f'on_demand = "{name}"'))
    words = hook(f"{engine.__name__}-nodes", made)
    with running(engine(tmp_path, model, port), ready=f"{url}/health", log=tmp_path / "log") as run:
        answer = Answer(f"{url}/v1/completions", model="a", max_tokens=1500)
        answer.start()
        began_within(run)
        took(own_processes(words, run))
        done = time.monotonic()
        answer.join()
    assert answer.status == 200
    assert answer.ended < done


def began_within(run):
    """Wait until a server that the engine started answers."""
    end_of_patience = time.monotonic() + 60
    while time.monotonic() < end_of_patience:
        for path in processes(run):
            words = path.read_text().split("\0")
            if int(path.parent.name) != run.pid and "--port" in words:
                with contextlib.suppress(httpx.TransportError):
                    return began(f"http://127.0.0.1:{words[words.index('--port') + 1]}")
        time.sleep(0.1)
    raise AssertionError("the model was never loaded")


def own_processes(words, run):
    """The hook with the processes of one engine, as in a pod, where there are no others."""
    mine = " ".join(map(str, processes(run)))
    return [word.replace("/proc/[0-9]*/cmdline", mine) for word in words]


def processes(run):
    """The command lines of the engine's session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[3]) == run.pid:
                found.append(path.parent / "cmdline")
    return found


@pytest.mark.reader("curl")
@pytest.mark.parametrize("waiting", ["0.0", "2.0"])
def test_gauges_of_vllm_say_what_runs(waiting, tmp_path):
    made = stack(
        '[models.v]\nengine = "vllm"\nhf_repo = "o/v"\nkeep = "always"\nmemory.host = "1GiB"\n'
        'container.image = "x/vllm:1"\n'
    )
    page = tmp_path / "metrics"
    page.write_text(
        "# TYPE vllm:num_requests_running gauge\n"
        'vllm:num_requests_running{engine="0",model_name="v"} 0.0\n'
        f'vllm:num_requests_waiting{{engine="0",model_name="v"}} {waiting}\n'
        'vllm:request_success_total{finished_reason="stop"} 7.0\n'
    )
    words = hook("model-v", made, seconds=8)
    port = pod_specs(objects(made))["model-v"]["containers"][0]["ports"][0]["containerPort"]
    words = [word.replace(f"http://127.0.0.1:{port}/metrics", f"file://{page}") for word in words]
    assert (took(words) > 6) == (waiting != "0.0")


def test_kubelet_waits_longer_than_the_hook():
    made = stack(
        f"kubernetes.longest_answer = 900\ngateway.envoy.enable = true\n"
        f"{MODEL.format(port=9000, keep='always', more='stop_timeout = 40')}"
    )
    specs = pod_specs(objects(made))
    assert specs["model-a"]["terminationGracePeriodSeconds"] >= 5 + 900 + 40
    assert specs["envoy"]["terminationGracePeriodSeconds"] >= 5 + 900
    # Envoy's own script waits 300 s at most.
    script = specs["envoy"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][2]
    assert "for _ in x x x;" in script


def test_hooks_are_scripts_as_they_are():
    text = MODEL.format(port=9000, keep="always", more="")
    made = stack(f"gateway.envoy.enable = true\n{text}")
    for spec in pod_specs(objects(made)).values():
        command = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
        done = subprocess.run([command[0], "-n", *command[1:]], capture_output=True, check=False)
        assert done.stderr == b""
