from making import config

from llmgen.resolve.references import references, references_of


def refs(text):
    return list(references(config(text)))


def test_local_file_is_written_as_in_llm_toml():
    assert refs('[models.a]\nmodel="x/a.gguf"') == ["file:x/a.gguf"]


def test_hub_model_names_repository_quant_and_revision():
    text = '[models.a]\nhf_repo="org/repo"\nquant="Q4_K_M"\nrevision="v1"'
    assert refs(text) == ["hf:org/repo:Q4_K_M@v1"]


def test_projector_of_a_hub_model_is_in_its_repository():
    text = '[models.a]\nhf_repo="org/repo"\nquant="Q8_0"\nmmproj="mmproj-F16.gguf"'
    assert refs(text) == ["hf:org/repo:Q8_0", "hf:org/repo:mmproj-F16.gguf"]


def test_draft_model_is_a_reference_and_an_mtp_head_is_none():
    text = '[models.a]\nmodel="a.gguf"\ndraft={model="d.gguf"}\n'
    assert refs(text) == ["file:a.gguf", "file:d.gguf"]
    text = '[models.a]\nmodel="a.gguf"\ndraft={spec_type="draft-mtp"}\n'
    assert refs(text) == ["file:a.gguf"]


def test_adapters_are_references():
    text = '[models.a]\nmodel="a.gguf"\nlora=[{path="x.gguf"}, {path="/y.gguf"}]\n'
    assert refs(text) == ["file:a.gguf", "file:x.gguf", "file:/y.gguf"]


def test_two_models_on_one_file_are_one_reference():
    assert refs('[models.a]\nmodel="a.gguf"\n[models.b]\nmodel="a.gguf"') == ["file:a.gguf"]


SHARED = '[models.a]\nmodel="x.gguf"\nenable=false\n[models.b]\nmodel="x.gguf"'


def test_shared_file_is_named_by_the_enabled_model():
    assert references(config(SHARED)) == {"file:x.gguf": ("models", "b", "model")}


def test_every_model_has_its_files_whoever_names_them_first():
    assert references_of(config(SHARED), ["b"]) == {"file:x.gguf"}
    assert references_of(config(SHARED), ["a"]) == {"file:x.gguf"}
    assert references_of(config(SHARED), ["c"]) == set()
