"""The networks of transformers as their users have them: padded texts, decoders that classify, windows, experts."""

import pytest
import torch

from deepcollapse.observe import measure

pytestmark = pytest.mark.slow
transformers = pytest.importorskip("transformers", reason="transformers is not installed: make test-full installs it")

COUNT, CLASSES, PAD = 40, 4, 0
LABELS = torch.arange(COUNT) % CLASSES
TEXTS = [torch.randint(1, 50, (2 + 7 * k % 11,), generator=torch.Generator().manual_seed(k)) for k in range(COUNT)]
SIZES = {"vocab_size": 50, "num_labels": CLASSES, "pad_token_id": PAD}


def encoder() -> torch.nn.Module:
    own = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    return transformers.BertForSequenceClassification(transformers.BertConfig(**own, **SIZES))


def decoder() -> torch.nn.Module:
    own = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32, "bos_token_id": 1, "eos_token_id": 2}
    return transformers.GPT2ForSequenceClassification(transformers.GPT2Config(**own, **SIZES))


def batches(size: int) -> list[dict[str, torch.Tensor]]:
    found = []
    for start in range(0, COUNT, size):
        ids = torch.nn.utils.rnn.pad_sequence(TEXTS[start : start + size], batch_first=True, padding_value=PAD)
        found.append({"input_ids": ids, "attention_mask": (ids != PAD).long(), "labels": LABELS[start : start + size]})
    return found


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
@pytest.mark.parametrize(("build", "head"), [(encoder, "classifier"), (decoder, "score")])
def test_numbers_do_not_depend_on_the_batch_size(build, head: str, pooling: str):
    torch.manual_seed(0)
    model = build().double()
    found = {size: measure(model, batches(size), pooling=pooling, rtol=0.05) for size in (1, 8, 40)}
    right = found[1].scalars()
    assert f"{head} (input)/nc3/papyan" in right
    assert f"{head} (input)/nc4/agreement" in right
    for seen in found.values():
        assert [note for note in seen.notes if "left out" in note] == []
        # float64 through two layers; directions down to 5 % of the largest divide by no less
        assert seen.scalars() == pytest.approx(right, rel=1e-8, abs=1e-10)


def test_a_network_with_windows_is_measured_by_default():
    torch.manual_seed(0)
    sizes = {"image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4}
    config = transformers.SwinConfig(**sizes, num_labels=CLASSES)
    model = transformers.SwinForImageClassification(config).double()
    images = torch.randn(COUNT, 3, 32, 32, dtype=torch.float64) + LABELS[:, None, None, None]
    found = measure(model, [{"pixel_values": images, "labels": LABELS}])
    assert "classifier (input)/nc3/papyan" in found.scalars()
    notes = [note for note in found.notes if "left out" in note]
    assert notes
    assert all(".attention." in note for note in notes)


def test_a_network_of_experts_is_measured_by_default():
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    experts = {"num_key_value_heads": 2, "num_local_experts": 3, "num_experts_per_tok": 1}
    config = transformers.MixtralConfig(**SIZES, **sizes, **experts)
    found = measure(transformers.MixtralForSequenceClassification(config), batches(8))
    assert "score (input)/nc4/agreement" in found.scalars()
