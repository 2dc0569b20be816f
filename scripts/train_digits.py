"""Train the model of the digits sample on MNIST-style IDX files and write it as ONNX.

    python scripts/train_digits.py FOLDER [--out wrappers/digits/digits.onnx]

FOLDER holds t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz. The first 8 000 images train,
each seen shifted, turned, stretched and thickened anew in every epoch; the last 2 000 only measure.
The network is a small LeNet, trained with plain numpy: two to five minutes on one core.
"""

import argparse
import gzip
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]
Parameters = dict[str, Array]

SIDE: Final = 28
TRAIN: Final = 8_000
BATCH: Final = 64
KERNEL: Final = 5
CHANNELS: Final = (12, 24)
OPSET: Final = 13  # what onnxruntime from 1.17 on surely reads
IR_VERSION: Final = 8


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of bytes; images come as (count, 28, 28), labels as (count,)."""
    data = gzip.decompress(path.read_bytes())
    dimensions = data[3]
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions)]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def distort(images: Array, random: np.random.Generator) -> Array:
    """Return each (28, 28) image turned, scaled, sheared, shifted and sometimes thickened.

    Up to 15 degrees, 15 % in size, 0.15 of shear and 2 pixels of shift; bilinear.
    """
    count = len(images)
    angle = random.uniform(-0.26, 0.26, count)
    scale = random.uniform(0.85, 1.15, (2, count))
    shear = random.uniform(-0.15, 0.15, count)
    shift = random.uniform(-2.0, 2.0, (2, count))
    cos, sin = np.cos(angle), np.sin(angle)
    middle = (SIDE - 1) / 2
    y, x = np.mgrid[0:SIDE, 0:SIDE] - middle
    y, x = y.ravel()[None], x.ravel()[None]
    source_y = (cos[:, None] * y - sin[:, None] * x) / scale[0][:, None] + shift[0][:, None]
    source_x = (sin[:, None] * y + (cos + shear)[:, None] * x) / scale[1][:, None]
    source_x += shift[1][:, None]
    turned = _sample(images, source_y + middle, source_x + middle)
    thick = random.random(count) < 0.3  # noqa: PLR2004 - a third of them
    grown = np.maximum(turned[thick], np.roll(turned[thick], 1, axis=2))
    turned[thick] = np.maximum(grown, np.roll(grown, 1, axis=1))
    return turned


def _sample(images: Array, y: NDArray[np.float64], x: NDArray[np.float64]) -> Array:
    """Read images at fractional places, 0 outside of them."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    y, x = np.clip(y + 1, 0, SIDE), np.clip(x + 1, 0, SIDE)
    top, left = y.astype(np.int64), x.astype(np.int64)
    down, right = (y - top).astype(np.float32), (x - left).astype(np.float32)
    index = np.arange(len(images))[:, None]
    mixed = (
        padded[index, top, left] * (1 - down) * (1 - right)
        + padded[index, top, left + 1] * (1 - down) * right
        + padded[index, top + 1, left] * down * (1 - right)
        + padded[index, top + 1, left + 1] * down * right
    )
    return mixed.reshape(images.shape)


def new_parameters(random: np.random.Generator) -> Parameters:
    """Draw the weights: convolutions as (out, in * 25), the last layer as (features, 10)."""
    first, second = CHANNELS
    area = KERNEL * KERNEL
    features = second * 4 * 4

    def draw(*shape: int, inputs: int) -> Array:
        return (random.standard_normal(shape) * np.sqrt(2.0 / inputs)).astype(np.float32)

    return {
        "conv1": draw(first, area, inputs=area),
        "bias1": np.zeros(first, np.float32),
        "conv2": draw(second, first * area, inputs=first * area),
        "bias2": np.zeros(second, np.float32),
        "dense": draw(features, 10, inputs=features),
        "bias3": np.zeros(10, np.float32),
    }


def _patches(images: Array) -> Array:
    """Return (count, height, width, channels * 25): what each place of a convolution sees."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (KERNEL, KERNEL), axis=(2, 3))
    count, channels, height, width = windows.shape[:4]
    patches = windows.transpose(0, 2, 3, 1, 4, 5)
    return patches.reshape(count, height, width, channels * KERNEL * KERNEL)


class _Layer:
    """Convolution, ReLU and 2x2 maximum, with what its way back needs."""

    def forward(self, images: Array, weights: Array, bias: Array) -> Array:
        self.patches = _patches(images)
        out = np.maximum(self.patches @ weights.T + bias, 0.0).transpose(0, 3, 1, 2)
        count, channels, height, width = out.shape
        blocks = out.reshape(count, channels, height // 2, 2, width // 2, 2)
        pooled = blocks.max(axis=(3, 5))
        self.mask = (blocks == pooled[:, :, :, None, :, None]) & (blocks > 0)
        return pooled

    def backward(self, gradient: Array) -> tuple[Array, Array, Array]:
        """Return the gradients of the weights, of the bias and of the output before pooling."""
        spread = self.mask * gradient[:, :, :, None, :, None]
        count, channels, rows, _, columns, _ = spread.shape
        wide = spread.reshape(count, channels, rows * 2, columns * 2)
        flat = wide.transpose(0, 2, 3, 1).reshape(-1, channels)
        weights = flat.T @ self.patches.reshape(-1, self.patches.shape[-1])
        return weights, flat.sum(axis=0), wide


def step(images: Array, labels: NDArray[np.uint8], p: Parameters) -> tuple[float, Parameters]:
    """Return the loss of a batch of (count, 1, 28, 28) and the gradient of every parameter."""
    one, two = _Layer(), _Layer()
    hidden = two.forward(one.forward(images, p["conv1"], p["bias1"]), p["conv2"], p["bias2"])
    features = hidden.reshape(len(images), -1)
    scores = features @ p["dense"] + p["bias3"]
    scores -= scores.max(axis=1, keepdims=True)
    odds = np.exp(scores)
    odds /= odds.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = float(-np.log(odds[rows, labels] + 1e-9).mean())
    odds[rows, labels] -= 1.0
    odds /= len(labels)
    gradients = {"dense": features.T @ odds, "bias3": odds.sum(axis=0)}
    back = (odds @ p["dense"].T).reshape(hidden.shape)
    gradients["conv2"], gradients["bias2"], wide = two.backward(back)
    padding = KERNEL - 1
    padded = np.pad(wide, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    first, second = CHANNELS
    turned = p["conv2"].reshape(second, first, KERNEL, KERNEL)[:, :, ::-1, ::-1]
    kernels = turned.transpose(1, 0, 2, 3).reshape(first, -1)
    through = (_patches(padded) @ kernels.T).transpose(0, 3, 1, 2)
    gradients["conv1"], gradients["bias1"], _ = one.backward(through)
    return loss, gradients


def batches(
    images: Array, labels: NDArray[np.uint8], random: np.random.Generator
) -> Iterator[tuple[Array, NDArray[np.uint8]]]:
    """Yield the whole set once, shuffled and distorted."""
    order = random.permutation(len(images))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        yield distort(images[chosen], random)[:, None], labels[chosen]


def train(images: Array, labels: NDArray[np.uint8], *, epochs: int, seed: int) -> Parameters:
    """Train with Adam and a learning rate that falls along a cosine; print a line an epoch."""
    random = np.random.default_rng(seed)
    p = new_parameters(random)
    mean = {name: np.zeros_like(value) for name, value in p.items()}
    square = {name: np.zeros_like(value) for name, value in p.items()}
    total = epochs * -(-len(images) // BATCH)
    done = 0
    for epoch in range(1, epochs + 1):
        began, losses = time.monotonic(), []
        for batch, truth in batches(images, labels, random):
            loss, gradients = step(batch, truth, p)
            losses.append(loss)
            done += 1
            rate = 2e-3 * 0.5 * (1.0 + np.cos(np.pi * done / total))
            for name, gradient in gradients.items():
                mean[name] += 0.1 * (gradient - mean[name])
                square[name] += 0.001 * (gradient**2 - square[name])
                top = mean[name] / (1.0 - 0.9**done)
                bottom = np.sqrt(square[name] / (1.0 - 0.999**done)) + 1e-8
                p[name] -= (rate * top / bottom).astype(np.float32)
        seconds = time.monotonic() - began
        print(f"epoch {epoch}/{epochs}: loss {np.mean(losses):.4f}, {seconds:.1f} s", flush=True)
    return p


def export(p: Parameters, path: Path) -> None:
    """Write the network: "image" float32 (n, 1, 28, 28) in [0, 1] to "scores" (n, 10), softmax."""
    first, second = CHANNELS
    shaped = {
        **p,
        "conv1": p["conv1"].reshape(first, 1, KERNEL, KERNEL),
        "conv2": p["conv2"].reshape(second, first, KERNEL, KERNEL),
    }
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["image", "conv1", "bias1"], ["c1"]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], **pool),
        helper.make_node("Conv", ["p1", "conv2", "bias2"], ["c2"]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["p2"], **pool),
        helper.make_node("Flatten", ["p2"], ["f"]),
        helper.make_node("Gemm", ["f", "dense", "bias3"], ["g"]),
        helper.make_node("Softmax", ["g"], ["scores"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(value, name) for name, value in shaped.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def accuracy(path: Path, images: Array, labels: NDArray[np.uint8]) -> float:
    """Return the share of `images` that the written model gets right, run as the sample runs it."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (scores,) = session.run(["scores"], {"image": images[:, None]})
    return float((np.asarray(scores).argmax(axis=1) == labels).mean())


def main() -> None:
    """Train, write, measure."""
    parser = argparse.ArgumentParser(description="Train the model of the digits sample.")
    parser.add_argument("folder", type=Path, help="with the IDX files")
    default = Path(__file__).resolve().parent.parent / "wrappers" / "digits" / "digits.onnx"
    parser.add_argument("--out", type=Path, default=default)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    images = read_idx(options.folder / "t10k-images-idx3-ubyte.gz").astype(np.float32) / 255.0
    labels = read_idx(options.folder / "t10k-labels-idx1-ubyte.gz")
    began = time.monotonic()
    parameters = train(images[:TRAIN], labels[:TRAIN], epochs=options.epochs, seed=options.seed)
    export(parameters, options.out)
    rest = len(images) - TRAIN
    right = accuracy(options.out, images[TRAIN:], labels[TRAIN:])
    print(f"{options.out}: {options.out.stat().st_size} bytes, {time.monotonic() - began:.0f} s")
    print(f"accuracy on {rest} images that it never saw: {100 * right:.2f} %")


if __name__ == "__main__":
    main()
