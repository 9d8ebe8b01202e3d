import pytest
from making import adapter, config, facts
from msgspec.structs import replace

from llmgen.budget.beside.measurements import settings_digest
from llmgen.errors import ConfigError, InputError
from llmgen.facts.gguf_facts import TensorGroup
from llmgen.facts.lock_model import Measured
from llmgen.library import Keep
from llmgen.plan.place import place
from llmgen.resolve import resolve

LOCK = {"file:a.gguf": facts("a.gguf", context=65536)}


def model(text, lock=LOCK):
    return resolve(config(text), lock).models[0]


def codes(text, lock=LOCK):
    with pytest.raises(ConfigError) as caught:
        resolve(config(text), lock)
    return [item.code for item in caught.value.diagnostics]


def test_a_model_without_options_gets_the_edition_s():
    made = model('[models.a]\nmodel="a.gguf"')
    assert made.settings.ctx_size == 32768
    assert made.settings.parallel == 1
    assert made.settings.kv_unified is False
    assert made.settings.devices == ("gpu0",)
    assert made.keep is Keep.ON_DEMAND
    assert str(made.path) == "/home/llm/models/a.gguf"


def test_own_key_wins_over_defaults_table_and_that_over_the_edition():
    text = '[defaults]\nparallel=2\nctx_size=4096\n[models.a]\nmodel="a.gguf"\nctx_size="8K"'
    made = model(text)
    assert (made.settings.parallel, made.settings.ctx_size) == (2, 8192)


def test_embedder_is_always_on_and_its_batch_holds_one_slot():
    made = model('[models.a]\nmodel="a.gguf"\nrole="embedding"\nctx_size="8K"\nparallel=2')
    assert made.keep is Keep.ALWAYS
    assert made.settings.ubatch_size == 4096
    assert made.settings.cache_ram_bytes == 0


def test_embedder_with_a_small_batch_is_refused():
    text = '[models.a]\nmodel="a.gguf"\nrole="embedding"\nctx_size="8K"\nubatch_size=512'
    assert codes(text) == ["models.batch-below-input"]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ('rope_scaling = "yarn"', True),
        ('rope_scaling = "yarn"\nrope_scale = 1.5', True),
        ('rope_scaling = "yarn"\nrope_scale = 2', False),
        ("rope_freq_scale = 0.5", False),
        ("rope_freq_base = 4e6", False),
    ],
)
def test_stretched_context_reaches_as_far_as_its_factor(keys, told):
    text = f'[models.a]\nmodel = "a.gguf"\nctx_size = 131072\n{keys}\n'
    notes = resolve(config(text), LOCK).notes
    assert [item.code for item in notes] == ["models.beyond-training"] * told
    assert all("`rope_scale = 2`" in item.hint for item in notes)


def test_context_beyond_training_is_a_warning_with_the_place():
    library = resolve(config('[models.a]\nmodel="a.gguf"\nctx_size="128K"'), LOCK)
    assert [(item.code, item.key) for item in library.notes] == [
        ("models.beyond-training", ("models", "a", "ctx_size"))
    ]


def test_missing_fact_names_the_key_and_the_command():
    with pytest.raises(InputError) as caught:
        resolve(config('[models.b]\nmodel="b.gguf"'), LOCK)
    (only,) = caught.value.diagnostics
    assert only.code == "lock.missing"
    assert only.key == ("models", "b", "model")
    assert "llmgen lock" in only.hint


def test_disabled_model_needs_no_facts():
    library = resolve(config('[models.b]\nmodel="b.gguf"\nenable=false'), {})
    assert library.models == ()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[models.a]", "models.source"),
        ('[models.a]\nmodel="a.gguf"\nhf_repo="x/y"\nquant="Q8_0"', "models.source"),
        (
            '[models.a]\nhf_repo="x/y"\nhf_file="y.gguf"\nquant="Q8_0"',
            "models.which-file",
        ),
        ('[models.a]\nmodel="a.gguf"\ndevice=["gpu7"]', "models.no-device"),
        ('[models.a]\nmodel="a.gguf"\ntensor_split=[1, 1]', "models.split-shares"),
        ('[models.a]\nmodel="a.gguf"\nextra_args=["--ctx-size", "9"]', "models.extra-argument"),
        (
            '[models.a]\nmodel="a.gguf"\nenvironment={LLAMA_ARG_CTX_SIZE="9"}',
            "models.environment-option",
        ),
        ('[defaults]\nenvironment={LLAMA_ARG_RPC="h:1"}', "models.environment-option"),
        (
            '[models.a]\nmodel="a.gguf"\nextra_args=["--numa distribute"]',
            "models.extra-argument",
        ),
        ('[models.a]\nmodel="a.gguf"\ndraft={spec_type="draft-mtp"}', "models.no-mtp-head"),
        *(
            (
                f'[models.a]\nmodel="a.gguf"\ndraft={{model="a.gguf", spec_type="draft-{kind}"}}',
                "models.draft-reads-nothing",
            )
            for kind in ("eagle3", "dflash", "dspark")
        ),
        (
            '[models.a]\nmodel="a.gguf"\nvariants.b.params={model="x"}',
            "models.variant-model",
        ),
        ('[models.a]\nmodel="a.gguf"\nhost="other"', "models.no-host"),
        (
            '[models.a]\nmodel="a.gguf"\nkeep="on_demand"\n[services]\non_demand="none"',
            "models.nobody-loads",
        ),
        ('[services]\ncors_origin="localhost"\n[llama_cpp]\nbuild=9464', "services.no-cors"),
    ],
)
def test_contradiction_is_refused(text, code):
    assert code in codes(text)


def test_shared_file_that_is_not_locked_is_missing_whoever_names_it_first():
    text = '[models.b]\nmodel="new.gguf"\nenable=false\n[models.a]\nmodel="new.gguf"'
    with pytest.raises(InputError) as caught:
        model(text)
    assert [item.key for item in caught.value.diagnostics] == [("models", "a", "model")]
    assert model(text, {"file:new.gguf": facts("new.gguf")}).name == "a"


def test_repository_alone_is_a_source():
    repository = {"hf:x/y": facts("x/y/m-Q4_K_M.gguf")}
    assert model('[models.a]\nhf_repo="x/y"', repository).name == "a"


def encoder(*tensors, **header):
    made = facts("a.gguf", architecture="bert")
    more = tuple(TensorGroup(name, "f32", (1,), (), 4) for name in tensors)
    values = {**made.hyperparameters, **header}
    return replace(made, tensors=(*made.tensors, *more), hyperparameters=values)


@pytest.mark.parametrize(
    ("file", "role"),
    [
        (encoder(), "embedding"),
        (encoder("cls.weight", "cls.output.weight"), "rerank"),
        (encoder(pooling_type=4), "rerank"),
    ],
)
def test_encoder_that_should_chat_is_refused_with_its_own_role(file, role):
    lock = {"file:a.gguf": file}
    with pytest.raises(ConfigError) as caught:
        resolve(config('[models.a]\nmodel="a.gguf"'), lock)
    (only,) = caught.value.diagnostics
    assert (only.code, only.hint) == ("models.generates-nothing", f'`role = "{role}"`')
    assert model(f'[models.a]\nmodel="a.gguf"\nrole="{role}"', lock).role == role


def test_port_that_only_root_may_listen_on_is_doubtful_in_a_user_s_service():
    text = "[gateway.envoy]\nport = 443\n"
    (found,) = resolve(config(text), {}).notes
    assert (found.code, found.key) == ("gateway.low-port", ("gateway", "envoy", "port"))
    assert resolve(config(f'{text}[services]\nscope = "system"'), {}).notes == ()


def test_model_of_another_server_needs_a_gateway():
    text = '[external.far]\nendpoint = "http://10.0.0.9:8000"\n'
    (found,) = resolve(config(text), {}).notes
    assert (found.code, found.key) == ("gateway.nobody-routes", ("external", "far"))
    assert resolve(config(f"{text}[gateway.envoy]"), {}).notes == ()


def test_replicas_need_a_gateway():
    text = '[models.a]\nmodel = "a.gguf"\nreplicas = ["h:1"]\n'
    (found,) = resolve(config(text), {"file:a.gguf": facts("a.gguf")}).notes
    assert (found.code, found.key) == ("gateway.nobody-routes", ("models", "a", "replicas"))
    assert resolve(config(f"{text}[gateway.envoy]"), {"file:a.gguf": facts("a.gguf")}).notes == ()


@pytest.mark.parametrize(
    ("services", "keep", "gateway", "codes"),
    [
        ('on_demand = "llama_swap"', "on_demand", "", []),
        ('on_demand = "llama_swap"', "always", "", ["gateway.nobody-routes"]),
        ('on_demand = "router"', "on_demand", "", ["gateway.nobody-routes"]),
        ('on_demand = "router"', "on_demand", "[gateway.envoy]", []),
    ],
)
def test_variant_that_nobody_serves_is_warned_of(services, keep, gateway, codes):
    text = (
        f'[services]\n{services}\n{gateway}\n[models.a]\nmodel = "a.gguf"\nkeep = "{keep}"\n'
        "[models.a.variants.b]\nparams = { temperature = 0 }\n"
    )
    notes = resolve(config(text), {"file:a.gguf": facts("a.gguf")}).notes
    assert [item.code for item in notes] == codes


def test_decoder_trained_to_embed_may_chat_with_a_warning():
    made = facts("a.gguf")
    trained = replace(made, hyperparameters={**made.hyperparameters, "pooling_type": 3})
    library = resolve(config('[models.a]\nmodel="a.gguf"'), {"file:a.gguf": trained})
    assert [item.code for item in library.notes] == ["models.generates-nothing"]


def narrow(made):
    """An adapter of a model with smaller layers."""
    first, *others = made.tensors
    return replace(made, tensors=(replace(first, shape=(128, 8)), *others))


def moved(made):
    """An adapter of layers that the model does not have."""
    return replace(made, tensors=tuple(replace(item, layers=(9,)) for item in made.tensors))


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (facts("l.gguf"), "models.not-an-adapter"),
        (adapter("l.gguf", architecture="qwen3"), "models.adapter-architecture"),
        (narrow(adapter("l.gguf")), "models.adapter-shape"),
        (moved(adapter("l.gguf")), "models.adapter-shape"),
    ],
)
def test_file_that_cannot_adapt_the_model_is_refused(file, code):
    text = '[models.a]\nmodel="a.gguf"\nlora=[{path="l.gguf"}]'
    assert codes(text, {**LOCK, "file:l.gguf": file}) == [code]


def test_scale_of_an_adapter_is_not_read_out_of_its_name():
    lock = {**LOCK, "file:l:2.gguf": adapter("l:2.gguf")}
    text = '[models.a]\nmodel="a.gguf"\nlora=[{path="l:2.gguf"'
    assert codes(f"{text}, scale=0.5}}]", lock) == ["models.adapter-name"]
    assert model(f"{text}}}]", lock).lora[0].scale == 1


@pytest.mark.parametrize(
    ("role", "keys", "header", "codes"),
    [
        ("embedding", "", 0, ["models.no-pooling"]),
        ("embedding", 'pooling="none"', 3, ["models.no-pooling"]),
        ("embedding", 'pooling="last"', 0, []),
        ("embedding", "", 3, []),
        ("embedding", 'pooling="mean"', 3, ["models.other-pooling"]),
        ("rerank", "", 0, []),
        ("rerank", 'pooling="mean"', 4, ["models.other-pooling"]),
        ("chat", "", 0, []),
    ],
)
def test_pooling_that_the_server_cannot_answer_with_is_told(role, keys, header, codes):
    made = facts("a.gguf")
    file = replace(made, hyperparameters={**made.hyperparameters, "pooling_type": header})
    text = f'[models.a]\nmodel="a.gguf"\nrole="{role}"\n{keys}'
    notes = resolve(config(text), {"file:a.gguf": file}).notes
    assert [item.code for item in notes] == codes


def test_what_verify_measured_is_what_the_plan_counts():
    text = '[models.a]\nmodel="a.gguf"\nctx_size="8K"'
    plain = place(resolve(config(text), LOCK)).placements[0]
    digest = settings_digest(plain.settings, 11434)
    seen = {"file:a.gguf": {digest: {"gpu0": Measured(1, 2, 3)}}}
    told = place(resolve(config(text), LOCK, seen)).placements[0]
    assert [item.total for item in told.estimate.memory if item.device == "gpu0"] == [6]
    assert "gpu0" not in told.estimate.margin


@pytest.mark.parametrize("table", ["defaults", "models.a"])
def test_secret_in_clear_text_is_a_warning(table):
    line = f'[{table}]\nenvironment = {{ HF_TOKEN = "x", MY_KEY = {{ env = "K" }}, KEYS = "y" }}\n'
    model = 'model = "a.gguf"' if table == "models.a" else '[models.a]\nmodel = "a.gguf"'
    found = resolve(config(line + model), LOCK)
    (warning,) = found.notes
    assert warning.code == "models.secret-in-clear"
    assert warning.key == (*table.split("."), "environment", "HF_TOKEN")


TEMPLATE = '[models.a]\nmodel="a.gguf"\nchat_template='


def test_built_in_template_is_looked_up_without_jinja():
    assert model(f'{TEMPLATE}"llama3"').options.jinja is False
    assert model(f'{TEMPLATE}"chatml"').options.jinja is True
    assert model(f'{TEMPLATE}"{{{{ messages }}}}"').options.jinja is True


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f'{TEMPLATE}"llama3"\njinja=true', "models.template-with-jinja"),
        (f'{TEMPLATE}"llama3"\n[defaults]\njinja=true', "models.template-with-jinja"),
    ],
)
def test_name_of_a_template_is_not_sent_as_every_prompt(line, code):
    assert codes(line) == [code]


def test_template_that_the_server_does_not_have_is_warned_of():
    (found,) = resolve(config(f'{TEMPLATE}"lama3"'), LOCK).notes
    assert (found.code, found.hint) == ("models.no-template", "did you mean `llama3`?")


@pytest.mark.parametrize(
    ("services", "keys", "keys_told"),
    [
        ("llama_swap", 'ttl = "5m"\nconcurrency_limit = 2\npreload = true', []),
        ("llama_swap", 'keep = "always"\nttl = "5m"\npreload = true', ["ttl", "preload"]),
        (
            "router",
            'ttl = "5m"\nconcurrency_limit = 2\npreload = true',
            ["ttl", "concurrency_limit"],
        ),
        ("router", "ttl = 0", []),
        ("none", "concurrency_limit = 2", ["concurrency_limit"]),
        ("llama_swap", 'role = "rerank"\nttl = "5m"', ["ttl"]),
    ],
)
def test_keys_that_only_llama_swap_goes_by_are_told_elsewhere(services, keys, keys_told):
    text = f'[services]\non_demand = "{services}"\n[models.a]\nmodel = "a.gguf"\n{keys}\n'
    notes = resolve(config(text), {"file:a.gguf": facts("a.gguf")}).notes
    assert [(item.code, item.key[-1]) for item in notes] == [
        ("models.no-effect", key) for key in keys_told
    ]


def test_idle_time_of_all_models_is_told_in_router_mode():
    text = '[services]\non_demand = "router"\n[defaults]\nttl = "5m"\n'
    (found,) = resolve(config(text), {}).notes
    assert (found.key, found.hint[:26]) == (("defaults", "ttl"), "`sleep_idle_seconds = 300`")
