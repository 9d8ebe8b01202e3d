"""llama-swap files of several machines, which lead to each other, become one llm.toml."""

import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from how_many import examples
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from llmgen.cli.boundary import root
from llmgen.importing.acceptance import mistakes

STUDIO = """
apiKeys: ["${env.STUDIO_KEY}"]
models:
  chat: {cmd: "llama-server --port ${PORT} -m /Users/me/m/chat.gguf -c 8192", aliases: [gpt-4o]}
  embed: {cmd: "llama-server --port ${PORT} -m /Users/me/m/embed.gguf --embedding", ttl: 60}
peers:
  box: {proxy: "http://192.168.1.11:9090/v1", apiKey: "${env.BOX_KEY}", models: [big, chat, gone]}
  cloud: {proxy: "https://api.example.com", apiKey: sk-clear, models: [glm]}
"""
BOX = """
models:
  big: {cmd: "llama-server --port ${PORT} -m /home/you/m/big.gguf -dev CUDA0,CUDA1"}
  chat: {cmd: "llama-server --port ${PORT} -m /home/you/m/other.gguf"}
  embed: {cmd: "llama-server --port ${PORT} -m /home/you/m/embed.gguf --embedding", ttl: 900}
groups: {both: {swap: false, exclusive: false, members: [big, chat]}}
selectors: {any: {strategy: pin, targets: [chat, gpt-4o]}}
peers:
  studio: {proxy: "http://studio.lan:8080", apiKey: "${env.STUDIO_KEY}", models: [gpt-4o]}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    return CliRunner().invoke(root, ["import", *words], prog_name="llmgen")


def imported(*words, **files):
    """The llm.toml of these files as a document, and what is said."""
    for name, text in files.items():
        Path(f"{name}.yaml").write_text(text, "utf-8")
    done = run(*words, *(f"{name}.yaml" for name in files if not words or "=" not in words[0]))
    assert done.exit_code == 0, done.output
    assert [*mistakes(done.stdout)] == []
    return tomllib.loads(done.stdout), done.stderr


def test_each_file_is_a_host_under_the_name_by_which_the_other_calls_it(folder):
    found, _ = imported(first=STUDIO, second=BOX)
    assert [*found["hosts"]] == ["studio", "box"]
    assert found["models"]["big"]["host"] == "box"
    assert found["models"]["chat"]["host"] == "studio"


def test_addresses_ports_and_keys_are_those_of_the_peers(folder):
    found, _ = imported(first=STUDIO, second=BOX)
    studio, box = found["hosts"]["studio"], found["hosts"]["box"]
    assert (studio["address"], studio["key"]) == ("studio.lan", {"env": "STUDIO_KEY"})
    assert (box["address"], box["key"]) == ("192.168.1.11", {"env": "BOX_KEY"})
    assert box["services"]["llama_swap"]["port"] == 9090
    assert studio["services"]["llama_swap"]["api_keys"] == [{"env": "STUDIO_KEY"}]


def test_a_key_in_clear_text_is_named_and_not_copied(folder):
    found, said = imported(first=STUDIO.replace("${env.BOX_KEY}", "hush-hush"), second=BOX)
    assert found["hosts"]["box"]["key"] == {"env": "BOX_KEY"}
    assert "hush-hush" not in str(found) + said
    assert "`apiKey` of the peer `box` stands in clear text" in said


def test_servers_of_no_file_stay_external(folder):
    found, _ = imported(first=STUDIO, second=BOX)
    assert [*found["external"]] == ["glm"]
    assert found["external"]["glm"]["api_key"] == {"env": "CLOUD_KEY"}


def test_one_name_for_one_command_is_one_model_on_both(folder):
    found, _ = imported(first=STUDIO, second=BOX)
    assert found["models"]["embed"]["host"] == ["studio", "box"]
    assert found["models"]["embed"]["model"] == "~/m/embed.gguf"
    ttl = [found["hosts"][host]["models"]["embed"]["ttl"] for host in ("studio", "box")]
    assert ttl == [60, 900]


def test_one_name_for_two_commands_becomes_two_names_and_is_said(folder):
    found, said = imported(first=STUDIO, second=BOX)
    assert found["models"]["box/chat"]["model"] == "~/m/other.gguf"
    assert "`chat` of `box` is called `box/chat`" in said
    assert found["hosts"]["box"]["plan"]["wish_together"] == [["big", "box/chat", "embed"]]


def test_what_leads_to_a_model_by_name_leads_to_its_new_name(folder):
    found, _ = imported(first=STUDIO, second=BOX)
    extra = found["hosts"]["box"]["targets"]["llama_swap"]["extra"]
    assert extra["selectors"]["any"]["targets"] == ["box/chat", "chat"]


def test_names_with_the_peer_before_them_still_lead_there(folder):
    found, _ = imported(first=STUDIO, second=BOX)
    assert "box/big" in found["models"]["big"]["aliases"]
    assert "studio/gpt-4o" in found["models"]["chat"]["aliases"]


def test_what_a_peer_has_and_its_file_does_not_is_said(folder):
    _, said = imported(first=STUDIO, second=BOX)
    assert "`studio` asks `box` for `gone`" in said


def test_timeouts_of_a_peer_that_is_a_host_are_named(folder):
    told = STUDIO.replace("models: [big", "timeouts: {connect: 5}, models: [big")
    _, said = imported(first=told, second=BOX)
    assert "`timeouts = {'connect': 5}`, by which `studio` reaches `box`" in said


def test_the_machine_of_each_host_is_said_or_to_be_filled_in(folder):
    found, said = imported("--profile", "studio=apple-silicon-128gb", first=STUDIO, second=BOX)
    assert found["hosts"]["studio"]["hardware"] == {"profile": "apple-silicon-128gb"}
    assert len(found["hosts"]["box"]["hardware"]["devices"]) == 2
    assert "no file says what machine `box` is" in said
    assert "`studio` is" not in said


def test_a_mac_is_known_by_its_paths(folder):
    found, _ = imported(first=STUDIO, second=BOX)
    assert found["hosts"]["studio"]["hardware"]["profile"].startswith("apple-silicon")
    assert found["hosts"]["studio"]["paths"]["home"] == "/Users/me"


def test_a_caller_that_nobody_calls_has_its_name_for_an_address(folder):
    alone = BOX.partition("peers:")[0].replace("[chat, gpt-4o]", "[chat]")
    found, said = imported(laptop=STUDIO, box=alone)
    assert found["hosts"]["laptop"]["address"] == "laptop"
    assert "no file says how the other hosts reach `laptop`" in said


def test_files_are_given_to_hosts_by_hand(folder):
    Path("a.yaml").write_text(STUDIO, "utf-8")
    Path("b.yaml").write_text(BOX.partition("peers:")[0].replace(", gpt-4o]", "]"), "utf-8")
    found, _ = imported("--host", "desk=a.yaml", "--host", "box=b.yaml")
    assert [*found["hosts"]] == ["desk", "box"]


def test_a_chain_of_peers_leads_to_the_machine_at_its_end(folder):
    one = 'peers: {b: {proxy: "http://10.0.0.2:8080", models: [far]}}\nmodels: {x: {cmd: "llama-server --port ${PORT} -m /x.gguf"}}'
    two = 'peers: {c: {proxy: "http://10.0.0.3:8080", models: [far]}}\nmodels: {y: {cmd: "llama-server --port ${PORT} -m /y.gguf"}}'
    three = 'models: {far: {cmd: "llama-server --port ${PORT} -m /far.gguf"}}'
    found, said = imported(a=one, b=two, c=three)
    assert found["models"]["far"]["host"] == "c"
    assert {"b/far", "c/far"} <= {*found["models"]["far"]["aliases"]}
    assert "external" not in found
    assert "without" not in said


def test_two_files_that_call_each_other_on_loopback_are_one_machine(folder):
    text = 'peers: {b: {proxy: "http://127.0.0.1:8081", models: [y]}}\nmodels: {x: {cmd: "llama-server --port ${PORT} -m /x.gguf"}}'
    found, _ = imported(a=text, b='models: {y: {cmd: "llama-server --port ${PORT} -m /y.gguf"}}')
    assert "hosts" not in found


def test_a_provider_on_the_internet_is_no_host_because_it_has_the_same_models(folder):
    text = 'peers: {p: {proxy: "https://api.example.com", models: [y]}}\nmodels: {x: {cmd: "llama-server --port ${PORT} -m /x.gguf"}}'
    found, _ = imported(a=text, b='models: {y: {cmd: "llama-server --port ${PORT} -m /y.gguf"}}')
    assert "hosts" not in found


def test_a_peer_that_could_be_two_files_is_said(folder):
    model = 'models: {y: {cmd: "llama-server --port ${PORT} -m /y.gguf"}}'
    text = 'peers: {p: {proxy: "http://10.0.0.9:8080", models: [y]}}\n' + model.replace("y", "x")
    for name, content in (("a", text), ("b", model), ("c", model)):
        Path(f"{name}.yaml").write_text(content, "utf-8")
    _, said = imported("--host", "a=a.yaml", "--host", "b=b.yaml", "--host", "c=c.yaml")
    assert "the peer `p` of `a` could be `b`, `c`" in said
    assert "`--host p=FILE`" in said


def test_one_address_is_not_two_machines(folder):
    """Each file has it for the other one: who is met there first has it, and the other stays outside."""
    text = (
        'peers: {{at: {{proxy: "http://h2.lan:9000/v1", models: [x, y]}}}}\n'
        'models: {{{}: {{cmd: "llama-server --port ${{PORT}} -m /m.gguf"}}, '
        '{}: {{cmd: "llama-server --port ${{PORT}} -m /n.gguf"}}}}'
    )
    for name in ("a", "b"):
        Path(f"{name}.yaml").write_text(text.format("x", "y"), "utf-8")
    found, _ = imported("--host", "a=a.yaml", "--host", "b=b.yaml")
    assert found["hosts"]["b"]["address"] == "h2.lan"
    assert found["hosts"]["a"]["address"] == "a"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--host", "box"], 2, "is not NAME=FILE"),
        (["--host", "-oProxyCommand=x"], 2, "is not NAME=FILE"),
        (["--host", "a=missing.yaml"], 4, "cannot be read"),
        (["--host", "a=a.yaml", "--profile", "b=cpu"], 2, "no host `b`"),
        (["--host", "a=a.yaml", "--profile", "a=nosuch"], 2, "`nosuch` is no profile"),
        (["--host", "a=a.yaml", "--ollama"], 2, "import it alone"),
        (["--host", "a=a.yaml", "m.ini"], 4, "`--host NAME=m.ini`"),
    ],
)
def test_wrong_usage_is_one_message(words, code, text, folder):
    Path("a.yaml").write_text(BOX, "utf-8")
    Path("m.ini").write_text("[a]\nm = a.gguf\n", "utf-8")
    done = run(*words)
    assert done.exit_code == code, done.output
    assert text in done.output
    assert "Traceback" not in done.output


HOSTILE = [
    "http://[::1", "http://-oProxyCommand=x:1", "http://a b:1", "http://10.0.0.2:99999", "ssh://x",
    "http://10.0.0.2:8080/../x", "http://user:pw@10.0.0.2:8080", "http://10.0.0.2:8080?x=1",
    "http://[fe80::1%25eth0]:8080", "", "\u0000",
]  # fmt: skip


@pytest.mark.sample(3)
@pytest.mark.parametrize("url", HOSTILE)
@pytest.mark.parametrize("peer", ["b", "../b", "-x", "auto", "b\nc", "\u202eb", "x" * 300])
def test_addresses_and_names_of_strangers_are_no_part_of_a_wrong_file(url, peer, folder):
    model = "models: {y: {cmd: 'llama-server --port ${PORT} -m /y.gguf'}}"
    caller = yaml.safe_dump({"models": {}, "peers": {peer: {"proxy": url, "models": ["y"]}}})
    Path("a.yaml").write_text(caller, "utf-8")
    Path("b.yaml").write_text(model, "utf-8")
    done = run("--host", "a=a.yaml", "--host", "b=b.yaml")
    assert done.exit_code in (0, 4), done.output
    assert "Traceback" not in done.output
    if done.exit_code == 0:
        assert [*mistakes(done.stdout)] == []


@pytest.mark.parametrize("text", ["peers: 3", "peers: {a: 3}", "peers: {a: {models: 3}}"])
def test_peers_of_another_kind_are_one_message(text, folder):
    Path("a.yaml").write_text(f"models: {{}}\n{text}", "utf-8")
    done = run("--host", "a=a.yaml")
    assert done.exit_code == 4
    assert "import.damaged" in done.output


NAMES = ["alpha", "beta", "Gamma:7b", "org/delta", "e p", "auto"]


@st.composite
def fleets(draw):
    """llama-swap files of several machines, whose peers are any of them and a stranger."""
    count = draw(st.integers(2, 5))
    files = []
    for _ in range(count):
        own = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
        files.append(
            {
                "models": {
                    name: {
                        "cmd": f"llama-server --port ${{PORT}} -m /srv/{draw(st.integers(0, 1))}.gguf",
                        "aliases": draw(st.lists(st.sampled_from(["x", "y", "z"]), max_size=1)),
                        "ttl": draw(st.integers(0, 2)),
                    }
                    for name in own
                }
            }
        )
    for at, file in enumerate(files):
        peers = {}
        for other in draw(st.lists(st.integers(0, count), max_size=3, unique=True)):
            if other == at:
                continue
            known = NAMES if other == count else [*files[other]["models"], "nowhere"]
            peers[draw(st.sampled_from([f"h{other}", f"peer {other}"]))] = {
                "proxy": draw(
                    st.sampled_from(
                        [f"http://10.0.0.{other}:8080", f"http://h{other}.lan:9000/v1/"]
                    )
                ),
                "models": draw(st.lists(st.sampled_from(known), min_size=1, unique=True)),
                **draw(st.sampled_from([{}, {"apiKey": "${env.K}"}, {"apiKey": "hush-hush"}])),
            }
        if peers:
            file["peers"] = peers
    return files


@settings(
    examples(60),
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(fleets())
def test_no_graph_of_peers_makes_a_wrong_file_or_loses_a_model(folder, files):
    words = []
    for at, file in enumerate(files):
        Path(f"h{at}.yaml").write_text(yaml.safe_dump(file), "utf-8")
        words += ["--host", f"h{at}=h{at}.yaml"]
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert [*mistakes(done.stdout)] == []
    assert "hush-hush" not in done.output
    found = tomllib.loads(done.stdout)
    for at, file in enumerate(files):
        here = [table for table in found.get("models", {}).values() if _is_on(table, f"h{at}")]
        assert len(here) == len(file["models"])
        for peer in file.get("peers", {}).values():
            for name in peer["models"]:
                assert _is_known(name, found) or f"`{name}`" in done.stderr


def _is_on(table, host):
    return host in ([table["host"]] if isinstance(table["host"], str) else table["host"])


def _is_known(name, found):
    tables = {**found.get("models", {}), **found.get("external", {})}
    return name in tables or any(name in table.get("aliases", ()) for table in tables.values())
