"""`top` on a real terminal beside the real llama-swap, router and llama-server, which die under it."""

import json
import os
import signal
import subprocess
import termios
import threading
import urllib.request

import psutil
import pytest
from click.testing import CliRunner
from terminal import Terminal
from tiny_stacks import Foreground, write_stack

from llmgen.cli.boundary import root

pytestmark = [pytest.mark.reader("llama-server"), pytest.mark.reader("llama-swap")]

# Room for the server that is always on and for one more, and contexts in which an answer takes a while.
SMALL = [
    ('memory = "16GiB"', 'memory = "1090MiB"'),
    ('model = "a.gguf"', 'model = "a.gguf"\nmetrics = true'),
    ('aliases = ["gpt-one"]', 'aliases = ["gpt-one"]\nttl = 600\nctx_size = 8192'),
    ('model = "d.gguf"', 'model = "d.gguf"\nttl = 3'),
]
LAST = "up/down choose   l load   u unload   o logs   q quit"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    # Memory is always short by this measure; nobody looks but the test that does.
    short = "[guard]\nthreshold = 1\nmin_idle = 0\n"
    found = Foreground(tmp_path_factory.mktemp("top"), changed=SMALL, extra=short)
    yield found
    found.end()


def top(stack, columns=80, rows=24, *words, **environment):
    words = [*stack.words(), "top", "--interval", "0.3", *words]
    return Terminal(words, columns, rows, **environment)


def ask(stack, model, tokens=20):
    """A request by the engine, or by the server of the model that is always on; its tokens."""
    port = stack.values["always" if model == "always" else "swap"]
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": tokens,
        "ignore_eos": True,
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())["usage"]["completion_tokens"]


def kill(stack, word):
    """SIGKILL to the programs of the stack that have this word in their command."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if word in words and any(str(stack.folder) in one for one in words):
            process.kill()


def row(text, name):
    """The words of a line that begins with this name, whether chosen or not."""
    lines = [line.removeprefix(">").split() for line in text.splitlines()]
    return next((line for line in lines if line[:1] == [name]), [])


@pytest.mark.sample(4)
@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 50)])
@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}])
def test_all_of_it_stands_on_the_terminal(stack, columns, rows, environment):
    with top(stack, columns, rows, **environment) as found:
        text = found.until(lambda text: row(text, "always")[1:2] == ["ready"] and LAST in text)
        assert found.lines[-1] == LAST
        for name in ("host", "always", "one", "two", "three", "four"):
            assert row(text, name), text
        assert "llama-swap ok" in found.lines[0]
        assert "swap ok" in text or row(text, "swap")[1:3] == ["foreground", "ok"]
        assert ("left memory" in text.partition("\n\n")[2].partition("\n\n")[2]) or columns == 80
        assert (found.colours() == {"default"}) is bool(environment)
        found.press("q")
        assert found.end() == 0
        # The alternate screen is left, the cursor is there, and keys are echoed again.
        assert found.read.rstrip().endswith(b"\x1b[?1049l")
        assert b"\x1b[?25h" in found.read
        assert termios.tcgetattr(found.master) == found.before


def test_it_is_drawn_anew_when_the_window_changes(stack):
    with top(stack) as found:
        found.until(lambda text: row(text, "always"))
        for columns, rows in ((200, 50), (40, 12), (12, 3), (120, 40), (80, 24)):
            last = LAST if columns >= len(LAST) else f"{LAST[: columns - 1]}…"
            found.resize(columns, rows)
            found.screen.reset()
            text = found.until(lambda text, last=last: text.endswith(last) and text[:3] == "loc")
            assert bool(row(text, "four")) is (rows >= 12)
        found.press("\x03")
        assert found.end() == 0


def test_keys_load_unload_and_show_logs(stack):
    stack.llmgen("unload", "--all")
    with top(stack) as found:
        found.until(lambda text: row(text, "two"))
        found.press("l")
        assert "is always on" in found.until(lambda text: "always on" in text)
        for _ in range(2):
            found.press("\x1b[B")
        found.press("l")
        found.until(lambda text: "loaded two" in text and row(text, "two")[1:2] == ["ready"])
        found.press("o")
        found.until(lambda text: "log of two" in text and "model loaded" in text)
        found.press("\x1b")
        found.until(lambda text: text.splitlines()[-1] == LAST)
        found.press("u")
        text = found.until(lambda text: "unloaded two" in text and "left memory" in text)
        assert "left memory: two: `llmgen` unloaded it" in text
        assert stack.llmgen("status")["models"][2]["state"] == "unloaded"


def test_what_makes_room_is_told(stack):
    stack.llmgen("unload", "--all")
    with top(stack, 160, 40) as found:
        found.until(lambda text: row(text, "two"))
        ask(stack, "four")
        found.until(lambda text: row(text, "four")[1:2] == ["ready"])
        ask(stack, "two")
        found.until(lambda text: row(text, "two")[1:2] == ["ready"])
        text = found.until(lambda text: "left memory: four: made room for two" in text)
        assert "made room for two" in " ".join(row(text, "four"))
    # Another one that begins later reads it in what llama-swap remembers.
    with top(stack, 160, 40) as found:
        found.until(lambda text: "left memory: four: made room for two, earlier" in text)


@pytest.mark.thorough
def test_a_model_that_nobody_asks_for_goes_by_its_ttl(stack):
    with top(stack, 160, 40) as found:
        found.until(lambda text: row(text, "three"))
        ask(stack, "three")
        found.until(lambda text: "left memory: three: nobody asked for it for 3 s" in text)


@pytest.mark.thorough
def test_the_guard_is_named(stack):
    stack.llmgen("load", "two")
    with top(stack, 160, 40) as found:
        found.until(lambda text: row(text, "two")[1:2] == ["ready"])
        assert stack.llmgen("guard")["unloaded"] == ["two"]
        why = "memory was short: `llmgen guard` unloaded it"
        found.until(lambda text: f"left memory: two: {why}" in text)


@pytest.mark.thorough
def test_work_speed_and_queue_are_seen(stack):
    requests = [threading.Thread(target=ask, args=(stack, "gpt-one", 2000)) for _ in range(3)]
    words = [*stack.words(), "top", "--json", "--interval", "0.3"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as lines:
        seen = []
        # What is asked before the first look may be over by then.
        for number, line in enumerate(lines.stdout):
            document = json.loads(line)
            assert (document["command"], document["status"]) == ("top", "ok")
            model = next(item for item in document["data"]["models"] if item["name"] == "one")
            if number == 0:
                for request in requests:
                    request.start()
                continue
            seen.append(model)
            if not any(request.is_alive() for request in requests) and model["busy"] == 0:
                break
        lines.send_signal(signal.SIGINT)
        assert lines.wait(30) == 130
    assert max(item["busy"] for item in seen) == 1
    # One is answered, others wait in the server or in front of it.
    assert max(item["queue"] or 0 for item in seen) >= 1
    assert max(item["tokens_per_second"] or 0 for item in seen) > 0
    assert seen[-1]["last_tokens_per_second"] > 0
    assert 0 < seen[-1]["ttl_left"] <= 600
    assert all(item["ttl_left"] is None for item in seen if item["busy"])


def test_a_server_that_counts_tells_who_waits(stack):
    words = [*stack.options(), "top", "--json", "--count", "1"]
    done = CliRunner().invoke(root, words)
    assert done.exit_code == 0, done.stderr
    models = {item["name"]: item for item in json.loads(done.stdout)["data"]["models"]}
    assert models["always"]["queue"] == 0


def test_one_frame_without_a_terminal(stack):
    done = CliRunner().invoke(root, [*stack.options(), "top"])
    assert done.exit_code == 0
    assert row(done.stdout, "always")[1] == "ready"
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


@pytest.mark.thorough
def test_a_model_at_work_is_unloaded_by_the_second_key_alone(stack):
    stack.llmgen("load", "one")
    request = threading.Thread(target=ask, args=(stack, "one", 3000))
    with top(stack) as found:
        found.until(lambda text: row(text, "one")[1:2] == ["ready"])
        found.press("\x1b[B")
        request.start()
        found.until(lambda text: "1/1" in row(text, "one"))
        found.press("u")
        found.until(lambda text: "one is answering; u again cuts that off" in text)
        request.join()
        assert row(found.until(lambda text: "0/1" in row(text, "one")), "one")[1] == "ready"


def test_terminal_is_whole_after_a_signal(stack):
    with top(stack) as found:
        found.until(lambda text: row(text, "always"))
        assert found.stop(signal.SIGTERM) == 128 + signal.SIGTERM
        assert found.read.rstrip().endswith(b"\x1b[?1049l")
        assert termios.tcgetattr(found.master) == found.before


def test_it_ends_with_its_terminal(stack):
    with top(stack) as found:
        found.until(lambda text: row(text, "always"))
        found.hang_up()
        assert found.process.wait(30) == 128 + signal.SIGHUP


def test_servers_die_under_it(stack):
    stack.llmgen("load", "two")
    with top(stack, 160, 40) as found:
        found.until(lambda text: row(text, "two")[1:2] == ["ready"])
        kill(stack, "two")
        found.until(lambda text: "left memory: two: its server ended by itself" in text)
        services = {item["name"]: item["pid"] for item in stack.llmgen("status")["services"]}
        os.kill(services["model-always"], signal.SIGKILL)
        # It comes back after a second; that it was away is told.
        found.until(lambda text: "left memory: always: its server" in text)
        found.until(lambda text: row(text, "always")[1:2] == ["ready"])
        os.kill(services["swap"], signal.SIGKILL)
        found.until(lambda text: "llama-swap does not answer" in text)
        found.until(lambda text: "llama-swap ok" in text)
        assert "Traceback" not in found.text
        found.press("q")
        assert found.end() == 0


def test_another_stack_is_neither_shown_nor_touched(stack, tmp_path):
    stack.llmgen("load", "two")
    write_stack(tmp_path, **{name: stack.values[name] for name in ("always", "swap", "first")})
    words = ["python", "-m", "llmgen", "-c", tmp_path / "llm.toml", "top", "--interval", "0.3"]
    with Terminal([stack.words()[0], *words[1:]], 160, 40) as found:
        text = found.until(lambda text: "is held by the stack of" in text)
        assert row(text, "two")[1:2] == ["unloaded"]
        # Nothing that is held is this stack's.
        assert row(text, "host")[2:6] == ["0", "B", "0", "B"]
        found.press("\x1b[B\x1b[Bu")
        found.until(lambda text: "is held by the stack of" in text.splitlines()[-2])
        found.press("l")
        found.until(lambda text: "is held by the stack of" in text.splitlines()[-2])
    states = {item["name"]: item["state"] for item in stack.llmgen("status")["models"]}
    assert states["two"] == "ready"


@pytest.mark.thorough
def test_beside_the_router(tmp_path):
    stack = Foreground(tmp_path, on_demand="router", changed=SMALL[:1])
    try:
        with top(stack, 160, 40) as found:
            found.until(lambda text: "router ok" in text)
            found.press("\x1b[Bl")
            found.until(lambda text: row(text, "one")[1:2] == ["loaded"])
            ask(stack, "two")
            found.until(lambda text: "left memory: one: made room for two" in text)
            found.until(lambda text: row(text, "two")[1:2] == ["loaded"])
            kill(stack, "two")
            found.until(lambda text: "left memory: two:" in text)
            assert "Traceback" not in found.text
    finally:
        stack.end()


def test_pipe_that_is_closed_ends_it(stack):
    words = [*stack.words(), "top", "--json", "--interval", "0.2"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ}
    ) as found:
        assert found.stdout.readline().startswith(b"{")
        found.stdout.close()
        assert (found.wait(60), found.stderr.read()) == (0, b"")
