"""From a plan to routes: who answers which name, on which path, with what change."""

import pytest
from targets.plans import plan

from llmgen.gateway.listing import body_limit, document, entries
from llmgen.gateway.routes import BodyEdit, routes

MODELS = """
[models.chat]
model = "big.gguf"
ctx_size = "64K"
parallel = 2
aliases = ["gpt-4o"]
[models.chat.variants.cold]
params = { temperature = 0.0 }
aliases = ["frozen"]
[models.fast]
model = "small.gguf"
keep = "always"
default = true
aliases = ["mini"]
replicas = ["10.0.0.2:9000", "[fd00::2]:9001"]
[models.fast.variants.fast-cold]
params = { temperature = 0.0, stop = ["%"] }
[models.code]
model = "small.gguf"
role = "completion"
keep = "always"
[models.embed]
model = "embed.gguf"
role = "embedding"
unlisted = true
[external.big]
endpoint = "https://api.example.org/other/v1"
aliases = ["huge"]
upstream_model = "big-1"
api_key = { env = "BIG" }
ctx_size = 200000
[external.ears]
endpoint = "http://10.0.0.3:9500"
role = "transcription"
"""


def table(text=MODELS, engine="llama_swap"):
    return routes(plan(f'[services]\non_demand = "{engine}"\n{text}'))


def found(table, kind, name=None):
    group = next(item for item in table.groups if item.kind.name == kind)
    if name is None:
        return [route for route in group.routes if not route.names]
    written = [route for route in group.routes if name in route.names and not route.any_case]
    return written or [
        route
        for route in group.routes
        if route.any_case and name.lower() in [item.lower() for item in route.names]
    ]


@pytest.mark.parametrize("engine", ["llama_swap", "router"])
@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("chat", "model/chat"),
        ("gpt-4o", "model/chat"),
        ("cold", "model/chat"),
        ("frozen", "model/chat"),
        ("mini", "model/fast"),
        ("fast-cold", "model/fast"),
        ("code", "model/code"),
        ("huge", "external/big"),
    ],
)
def test_every_name_has_exactly_one_route(engine, name, backend):
    (route,) = found(table(engine=engine), "text", name)
    assert route.backend.name == backend


def test_a_name_is_known_only_where_its_role_answers():
    made = table()
    assert found(made, "text", "embed") == []
    assert found(made, "embedding", "chat") == []
    assert found(made, "count", "embed")
    assert [group.kind.name for group in made.groups if group.kind.multipart] == ["transcription"]


def test_the_default_is_the_model_that_says_so_and_completions_have_their_own():
    completion, text = found(table(), "text")
    assert (completion.backend.model, text.backend.model) == ("code", "fast")
    assert "chat/completions" not in completion.paths


def test_an_engine_is_told_the_model_that_a_request_does_not_name():
    made = table('[models.a]\nmodel = "small.gguf"\n')
    (route,) = found(made, "text")
    assert route.edit == BodyEdit(append='"model":"a"')


def test_variants_are_set_by_llama_swap_or_in_the_body():
    assert found(table(), "text", "cold")[0].edit == BodyEdit()
    assert found(table(), "text", "fast-cold")[0].edit == BodyEdit(
        append='"temperature":0.0,"stop":["%"]'
    )
    assert found(table(engine="router"), "text", "cold")[0].edit == BodyEdit(
        model="chat", append='"temperature":0.0'
    )


def test_the_router_and_others_are_sent_the_name_that_they_know():
    assert found(table(engine="router"), "text", "gpt-4o")[0].edit == BodyEdit(model="chat")
    assert found(table(engine="router"), "text", "chat")[0].edit == BodyEdit()
    assert found(table(), "text", "big")[0].edit == BodyEdit(model="big-1")


@pytest.mark.parametrize("engine", ["llama_swap", "router"])
@pytest.mark.parametrize(
    ("name", "model", "sent"),
    [
        ("CHAT", "chat", "chat"),
        ("Gpt-4O", "chat", "chat"),
        ("Mini", "fast", ""),
        ("HUGE", "big", "big-1"),
        ("Ears", "ears", None),
    ],
)
def test_names_in_other_letters_are_sent_as_the_server_knows_them(engine, name, model, sent):
    routes = found(table(engine=engine), "text", name)
    expected = [] if sent is None else [(model, sent)]
    assert [(item.backend.model, item.edit.model) for item in routes] == expected


def test_variants_in_other_letters_are_theirs():
    assert found(table(), "text", "Frozen")[0].edit == BodyEdit(model="cold")
    assert found(table(), "text", "Fast-Cold")[0].edit.append == '"temperature":0.0,"stop":["%"]'
    assert found(table(engine="router"), "text", "COLD")[0].edit.model == "chat"


def test_names_that_differ_by_case_alone_stay_apart():
    text = '[models.a]\nmodel = "small.gguf"\naliases = ["X", "y"]\n'
    text += '[models.b]\nmodel = "big.gguf"\naliases = ["x"]\n'
    made = table(text)
    for name, model in (("X", "a"), ("x", "b"), ("Y", "a"), ("B", "b")):
        (route,) = found(made, "text", name)
        assert route.backend.model == model
    loose = [name for route in made.routes if route.any_case for name in route.names]
    assert {name.lower() for name in loose} == {"a", "b", "y"}


def test_llama_swap_gets_paths_that_it_knows():
    assert found(table(), "count", "chat")[0].rewrite == ("^(/.*)$", r"/upstream/chat\1")
    assert found(table(), "text", "chat")[0].rewrite[1] == r"/v/\1"
    assert found(table(), "count", "fast")[0].rewrite is None
    assert found(table(engine="router"), "count", "chat")[0].rewrite is None
    assert found(table(), "text", "huge")[0].rewrite == ("^(/.*)$", r"/other\1")


def test_replicas_share_the_route():
    (route,) = found(table(), "text", "fast")
    assert [(item.host, item.port) for item in route.backend.endpoints][1:] == [
        ("10.0.0.2", 9000),
        ("fd00::2", 9001),
    ]


def test_without_an_engine_every_model_has_a_server_of_its_own():
    made = table(engine="none")
    assert {item.engine for item in made.backends} == {"", "external"}
    assert found(made, "text", "gpt-4o")[0].backend.name == "model/chat"


def test_the_list_has_every_listed_name_with_the_context_of_one_slot():
    listed = {item["id"]: item.get("context_length") for item in entries(table().backends)}
    assert listed["chat"] == listed["gpt-4o"] == listed["frozen"] == 32768
    assert listed["huge"] == 200_000
    assert listed["ears"] is None
    assert "embed" not in listed


def test_an_empty_list_is_a_list():
    assert document(()) == {"object": "list", "data": [], "has_more": False}


def test_the_largest_request_follows_from_the_longest_context():
    made = table('[models.a]\nmodel = "small.gguf"\nctx_size = "1M"\n')
    assert body_limit(made.backends, None) == 16 * 2**20
    assert body_limit(made.backends, 5) == 5
    assert body_limit((), None) == 8 * 2**20
