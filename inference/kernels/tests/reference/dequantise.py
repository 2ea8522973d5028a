"""Write dequantise.txt: random blocks of every format and the numbers that the package `gguf` reads from them.

    python dequantise.py > dequantise.txt        # pip install gguf numpy

One line a block: the format's number in a GGUF file, its bytes, its numbers as little-endian f32, in hexadecimal.
"""

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize

# Where the half-precision factors of a block are.
HALVES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
    T.IQ4_NL: [0], T.IQ4_XS: [0], T.MXFP4: [],
}

random = np.random.default_rng(3)
for kind, halves in HALVES.items():
    length, size = GGML_QUANT_SIZES[kind]
    for number in range(3 if length == 32 else 2):
        block = random.integers(0, 256, size, dtype=np.uint8)
        for at in halves:
            # Ordinary, subnormal and zero factors.
            factor = np.float16([random.normal(), 3e-7, 0.0][number] if at == halves[0] else random.normal())
            block[at : at + 2] = np.frombuffer(factor.tobytes(), np.uint8)
        if kind == T.MXFP4:
            block[0] = [127, 1, 0][number]
        values = dequantize(block.reshape(1, -1), kind).astype("<f4").reshape(-1)
        assert values.size == length
        print(kind.value, block.tobytes().hex(), values.tobytes().hex())
