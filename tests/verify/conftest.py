import pytest

from llmgen.facts.gguf_facts import GgufFacts


@pytest.fixture
def small_facts():
    values = {
        "block_count": 2,
        "embedding_length": 64,
        "feed_forward_length": 128,
        "context_length": 4096,
        "attention.head_count": 2,
    }
    return GgufFacts("llama", values, 100, (), ())
