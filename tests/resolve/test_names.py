from making import config

from llmgen.resolve.names import findings


def found(text):
    return [(item.code, item.key) for item in findings(config(text))]


def test_alias_of_another_model_is_taken():
    text = '[models.a]\nmodel="a.gguf"\naliases=["x"]\n[models.b]\nmodel="b.gguf"\naliases=["x"]'
    assert found(text) == [("names.taken", ("models", "b", "aliases", 0))]


def test_alias_equal_to_a_later_model_blames_the_alias():
    text = '[models.a]\nmodel="a.gguf"\naliases=["b"]\n[models.b]\nmodel="b.gguf"'
    assert found(text) == [("names.taken", ("models", "a", "aliases", 0))]


def test_alias_twice_in_one_model_is_taken():
    assert found('[models.a]\nmodel="a.gguf"\naliases=["x", "x"]') == [
        ("names.taken", ("models", "a", "aliases", 1))
    ]


def test_variant_and_external_share_the_namespace():
    text = (
        '[models.a]\nmodel="a.gguf"\n[models.a.variants.v]\n'
        '[external.v]\nendpoint="http://127.0.0.1:1"'
    )
    assert found(text) == [("names.taken", ("external", "v"))]


def test_unknown_fallback_suggests_the_nearest_name():
    text = '[models.coder]\nmodel="a.gguf"\nfallbacks=["codr"]'
    (only,) = findings(config(text))
    assert only.code == "names.unknown"
    assert only.hint == "did you mean `coder`?"


def test_together_names_models_not_aliases():
    text = '[models.a]\nmodel="a.gguf"\naliases=["x"]\n[plan]\ntogether=[["a", "x"]]'
    assert found(text) == [("names.unknown", ("plan", "together", 0, 1))]


def test_two_defaults_of_one_role_are_refused():
    text = '[models.a]\nmodel="a.gguf"\ndefault=true\n[models.b]\nmodel="b.gguf"\ndefault=true'
    assert found(text) == [("names.two-defaults", ("models", "b", "default"))]


def test_defaults_of_two_roles_are_fine():
    text = (
        '[models.a]\nmodel="a.gguf"\ndefault=true\n'
        '[models.b]\nmodel="b.gguf"\nrole="rerank"\ndefault=true'
    )
    assert found(text) == []
