"""The networks: dense equals window by window, engines agree, damaged weights are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detectors import weights
from detectors.engines import OpenVinoEngine, cpu_hints, is_slow_at_bf16, open_engine
from detectors.errors import ModelError
from detectors.nets import Architecture, Conv, Weights
from detectors.scanner import windows_of

SCAN = Architecture(
    (Conv(3, 8, 4, 2), Conv(8, 12, 3, 2), Conv(12, 16, 3), Conv(16, 16, 3), Conv(16, 1, 1, relu=False)), 24
)
NAME = Architecture(
    (
        Conv(3, 8, 5, 2, 2),
        Conv(8, 8, 3, 1, 1),
        Conv(8, 8, 3, 1, 1, add=0),
        Conv(8, 8, 3, 1, 1, groups=8, most=0.5),
        Conv(8, 5, 1, relu=False),
    ),
    window=32,
    pool_after=3,
)


def random_weights(architecture: Architecture, seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    made: Weights = {}
    for i, layer in enumerate(architecture.layers):
        fan_in = np.prod(layer.weight_shape[1:])
        made[f"{i}.weight"] = (rng.standard_normal(layer.weight_shape) * np.sqrt(2 / fan_in)).astype(np.float32)
        made[f"{i}.bias"] = (rng.standard_normal(layer.channels_out) * 0.1).astype(np.float32)
    return made


def random_images(n: int, h: int, w: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, h, w, 3), dtype=np.uint8)


@pytest.mark.parametrize(("seed", "h", "w"), [(0, 60, 80), (1, 24, 24), (2, 57, 43), (3, 31, 90)])
def test_dense_evaluation_equals_window_by_window(seed: int, h: int, w: int) -> None:
    engine = OpenVinoEngine(SCAN, random_weights(SCAN, seed), "f32")
    image = random_images(1, h, w, seed)
    dense = engine(image)[0, 0]
    one_by_one = engine(windows_of(image[0], SCAN)).reshape(dense.shape)
    np.testing.assert_allclose(dense, one_by_one, atol=1e-4)


@pytest.mark.parametrize("architecture", [SCAN, NAME], ids=["dense", "pooled"])
def test_openvino_gives_what_torch_gives(architecture: Architecture) -> None:
    pytest.importorskip("torch", reason="torch comes with the train extra")
    made, images = random_weights(architecture, 4), random_images(3, 40, 48, 5)
    reference = open_engine(architecture, made, device="torch")(images)
    np.testing.assert_allclose(
        open_engine(architecture, made, device="cpu", precision="f32")(images), reference, atol=1e-4
    )
    span = float(np.ptp(reference))
    auto = open_engine(architecture, made, device="cpu")(images)
    np.testing.assert_allclose(auto, reference, atol=0.02 * span)


@pytest.mark.parametrize("architecture", [SCAN, NAME], ids=["dense", "pooled"])
def test_a_batch_equals_its_pictures_one_by_one(architecture: Architecture) -> None:
    engine = open_engine(architecture, random_weights(architecture, 6), device="cpu")
    images = random_images(5, 40, 48, 7)
    together = engine(images)
    for i in range(5):
        np.testing.assert_allclose(together[i], engine(images[i : i + 1])[0], atol=1e-3)


def test_folding_keeps_what_was_trained() -> None:
    torch = pytest.importorskip("torch", reason="torch comes with the train extra")
    from detectors.torch_net import TorchNet, as_input

    torch.manual_seed(0)
    net = TorchNet(NAME, normalised=True).train()
    images = random_images(16, 32, 32, 8)
    net(as_input(images))  # running statistics that are not the initial ones
    net.eval()
    with torch.inference_mode():
        wanted = net(as_input(images)).numpy()
    np.testing.assert_allclose(OpenVinoEngine(NAME, net.folded(), "f32")(images), wanted, atol=1e-4)


def test_folded_weights_can_be_trained_on() -> None:
    torch = pytest.importorskip("torch", reason="torch comes with the train extra")
    from detectors.torch_net import TorchNet, as_input

    folded, images = random_weights(NAME, 6), as_input(random_images(16, 32, 32, 8))
    net = TorchNet(NAME, normalised=True).unfold(folded, images)
    with torch.inference_mode():
        wanted = TorchNet(NAME, normalised=False).load_folded(folded)(images).numpy()
        for mode in (net.eval(), net.train()):  # in training the norms take what they see: the same images here
            np.testing.assert_allclose(mode(images).numpy(), wanted, atol=1e-3 * float(np.ptp(wanted)))


def test_a_dense_network_sees_just_its_window() -> None:
    with pytest.raises(ModelError, match="must see just its window: 24 px, not 32"):
        Architecture(SCAN.layers, window=32)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "signs-scanner.safetensors"
    weights.save(path, SCAN, random_weights(SCAN, 9), {"threshold": 0.25}, {"data": "random numbers"})
    return path


def test_weights_come_back_with_their_settings(saved: Path) -> None:
    model = weights.load(saved)
    assert model.architecture == SCAN
    assert model.settings == {"threshold": 0.25}
    assert json.loads(saved.with_suffix(".json").read_text())["parameters"] == SCAN.parameters
    np.testing.assert_array_equal(model.weights["0.weight"], random_weights(SCAN, 9)["0.weight"])


def test_damaged_weights_are_refused(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[len(data) // 2] ^= 1
    saved.write_bytes(bytes(data))
    with pytest.raises(ModelError, match="SHA-256 differs"):
        weights.load(saved)


def test_missing_and_foreign_files_are_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        weights.load(tmp_path / "nothing.safetensors")
    saved.write_bytes(b"not safetensors")
    card = json.loads(saved.with_suffix(".json").read_text())
    import hashlib

    card["sha256"] = hashlib.sha256(b"not safetensors").hexdigest()
    saved.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="not a network of Wayside"):
        weights.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("0.bias"), "no tensor 0.bias"),
        (lambda w: w.update({"9.weight": w["0.bias"]}), "unknown tensor 9.weight"),
        (lambda w: w.update({"0.bias": w["0.bias"].astype(np.float64)}), "must be float32"),
        (lambda w: w.update({"0.weight": w["0.weight"][:4]}), r"must be float32 \(8, 3, 4, 4\)"),
    ],
)
def test_weights_must_fit_their_layers(change: object, message: str) -> None:
    made = random_weights(SCAN, 1)
    change(made)  # type: ignore[operator]
    with pytest.raises(ModelError, match=message):
        SCAN.check(made, "x")


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"device": "tpu"}, "unknown device 'tpu'"), ({"precision": "int3"}, "unknown precision 'int3'")],
)
def test_unknown_devices_and_precisions_are_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        open_engine(SCAN, random_weights(SCAN, 0), **settings)


@pytest.mark.parametrize(
    ("cpu", "is_slow"),
    [
        pytest.param("vendor_id : GenuineIntel\nflags : avx2 avx512f avx512_bf16", True, id="the tiles are hidden"),
        pytest.param("vendor_id : GenuineIntel\nflags : avx2 avx512f avx512_bf16 amx_bf16", False, id="with tiles"),
        pytest.param("vendor_id : AuthenticAMD\nflags : avx2 avx512f avx512_bf16", False, id="full speed without"),
        pytest.param("vendor_id : GenuineIntel\nflags : avx2", False, id="no bf16: OpenVINO takes f32 itself"),
        pytest.param("", False, id="nothing tells"),
    ],
)
def test_bf16_is_not_taken_where_f32_is_faster(cpu: str, is_slow: bool) -> None:
    assert is_slow_at_bf16(cpu) is is_slow


def test_a_precision_that_was_asked_for_is_kept() -> None:
    assert cpu_hints("bf16")["INFERENCE_PRECISION_HINT"] == "bf16"
    assert cpu_hints("f32", threads=1)["INFERENCE_NUM_THREADS"] == 1
