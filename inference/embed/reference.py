"""Writes what all-MiniLM-L6-v2 says to some texts, by `transformers`, for the test of `inference/src/embed/bert.rs`:
`reference.py FOLDER [OUT]`. As sentence-transformers does: the mean of the last states, unit length, 256 tokens."""

import json
import pathlib
import sys

import torch
import transformers

TEXTS = [
    "Returns the number of tasks that wait.",
    "fn parse_request(line: &str) -> Result<Request, Error> { todo!() }",
    "gr\u00f6\u00dfe \u914d\u7f6e\u6587\u4ef6 na\u00efve caf\u00e9",
    "a",
    "a long text that is cut where the model ends " * 60,
]


def main():
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(__file__).with_name("reference.json")
    tokenizer = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
    model = transformers.AutoModel.from_pretrained(sys.argv[1]).eval()
    rows = []
    for text in TEXTS:
        tokens = tokenizer(text, truncation=True, max_length=256, return_tensors="pt")
        with torch.no_grad():
            states = model(**tokens).last_hidden_state[0]
        vector = torch.nn.functional.normalize(states.mean(0), dim=0)
        rows.append(json.dumps({"text": text, "vector": [round(value, 6) for value in vector.tolist()]}))
    out.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
