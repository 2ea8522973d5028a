"""The tokenizer: byte-level BPE made for copying, and the wire format of a conversation.

Spaces, digits and marks stand alone and names are split at their humps, so a name is the same tokens wherever it stands.
"""

import random
import sys

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from generate import ENDS, TOOLS, Generator, load

SPLIT = r"::|->|=>|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]|\s|[^\sA-Za-z0-9]"
PAD, USER, ASSISTANT, RESULT, END, CLOSE = "<|pad|>", "<|user|>", "<|assistant|>", "<|result|>", "<|end|>", "<|/arg|>"
CALL = {tool: "<|call:%s|>" % tool for tool in TOOLS}
ARGUMENT = {key: "<|arg:%s|>" % key for key in dict.fromkeys(k for keys in TOOLS.values() for k in keys)}
FINISH = {end: "<|%s|>" % end for end in ENDS}
SPECIAL = [PAD, USER, ASSISTANT, RESULT, END, CLOSE, *FINISH.values(), *CALL.values(), *ARGUMENT.values()]


def train(harvest, path, size=3072):
    projects, _ = load(harvest)
    generator = Generator(projects, 5)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()

    def texts():
        for _ in range(14000):
            for turn in generator.conversation():
                if turn[0] == "user":
                    yield turn[1]
                    yield turn[1].lower()
                elif turn[0] == "result":
                    yield turn[1]
                elif turn[0] == "call":
                    yield " ".join(turn[2].values())
        yield from generator.docs
        for project in projects:
            for file in project["files"]:
                yield " ".join(s[2] for s in file["symbols"])

    tokenizer.train_from_iterator(texts(), trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer.save(path)


class Encoder:
    """Conversations to token ids with the weight of each in the loss."""

    FIRST, VALUE, FINAL = 4.0, 1.5, 2.0

    def __init__(self, path):
        self.tokenizer = Tokenizer.from_file(path)
        self.size = self.tokenizer.get_vocab_size()
        self.id = {token: self.tokenizer.token_to_id(token) for token in SPECIAL}

    def text(self, words):
        return self.tokenizer.encode(words, add_special_tokens=False).ids

    def many(self, conversations):
        flat = [t for c in conversations for turn in c for t in ([turn[1]] if turn[0] in ("user", "result") else list(turn[2].values()) if turn[0] == "call" else [])]
        encoded = iter([e.ids for e in self.tokenizer.encode_batch(flat, add_special_tokens=False)])
        return [self.one(c, encoded) for c in conversations]

    def one(self, conversation, encoded=None):
        encoded = encoded or iter([])
        ids, weights, i = [], [], self.id
        for turn in conversation:
            if turn[0] == "user":
                piece = [i[USER]] + next(encoded)
                ids += piece
                weights += [0.0] * len(piece)
            elif turn[0] == "result":
                piece = [i[RESULT]] + next(encoded)
                ids += piece
                weights += [0.0] * len(piece)
            elif turn[0] == "end":
                ids += [i[ASSISTANT], i[FINISH[turn[1]]], i[END]]
                weights += [0.0, self.FINAL if turn[1] == "answer" else self.FIRST, 0.1]
            elif turn[0] == "past":
                ids += [i[ASSISTANT], i[FINISH[turn[1]]], i[END]]
                weights += [0.0, 0.0, 0.0]
            else:
                ids += [i[ASSISTANT], i[CALL[turn[1]]]]
                weights += [0.0, self.FIRST]
                for key in turn[2]:
                    value = next(encoded)
                    ids += [i[ARGUMENT[key]]] + value + [i[CLOSE]]
                    weights += [self.VALUE] * (len(value) + 2)
                ids.append(i[END])
                weights.append(self.VALUE)
        return ids, weights


if __name__ == "__main__":
    train(sys.argv[1], sys.argv[2])
    encoder = Encoder(sys.argv[2])
    generator = Generator(load(sys.argv[1])[0], random.randrange(1 << 30))
    lengths = sorted(len(ids) for ids, _ in encoder.many([generator.conversation() for _ in range(2000)]))
    print(encoder.size, "tokens; lengths", [lengths[len(lengths) * q // 100] for q in (10, 25, 50, 75, 90, 95, 99)], "mean", sum(lengths) / len(lengths))
