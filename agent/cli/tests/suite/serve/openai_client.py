"""Asks `loci serve` through OpenAI's own client. Called with the base URL and the token; the last line is `all well`."""
import sys
import time

import openai
import pydantic

url, token = sys.argv[1], sys.argv[2]
client = openai.OpenAI(base_url=url, api_key=token, max_retries=0, timeout=60)
hello = [{"role": "user", "content": "hello"}]
look = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "looks",
        "parameters": {
            "type": "object",
            "properties": {"at": {"type": "string", "enum": ["a", "b"]}},
            "required": ["at"],
        },
    },
}

# Models.
names = [model.id for model in client.models.list()]
assert names[0] == "talk" and "tiny" in names and "loci-static" in names, names
assert client.models.retrieve("tiny").id == "tiny"

# Chat, in one piece and in several.
answer = client.chat.completions.create(model="talk", messages=hello)
assert answer.choices[0].message.content == "Hello there, world.", answer
assert answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens > 0
pieces, usage = [], None
for chunk in client.chat.completions.create(
    model="talk", messages=hello, stream=True, stream_options={"include_usage": True}
):
    if chunk.choices and chunk.choices[0].delta.content:
        pieces.append(chunk.choices[0].delta.content)
    usage = chunk.usage or usage
assert "".join(pieces) == "Hello there, world." and len(pieces) > 1, pieces
assert usage.completion_tokens > 0

# Tools: a call that was written down, one that a model made, and the way back.
answer = client.chat.completions.create(model="call", messages=hello, tools=[look])
assert answer.choices[0].finish_reason == "tool_calls"
call = answer.choices[0].message.tool_calls[0]
assert (call.function.name, call.function.arguments) == ("look", '{"at":"a"}')
back = [
    *hello,
    answer.choices[0].message,
    *({"role": "tool", "tool_call_id": one.id, "content": "nothing there"} for one in answer.choices[0].message.tool_calls),
]
assert client.chat.completions.create(model="result", messages=back, tools=[look]).choices[0].message.content == "ok"
answer = client.chat.completions.create(
    model="tiny",
    messages=hello,
    tools=[look],
    tool_choice={"type": "function", "function": {"name": "look"}},
    parallel_tool_calls=False,
    max_tokens=300,
)
assert answer.choices[0].message.tool_calls[0].function.arguments in ('{"at":"a"}', '{"at":"b"}'), answer
with client.chat.completions.stream(model="call", messages=hello, tools=[look]) as stream:
    for _ in stream:
        pass
    assert len(stream.get_final_completion().choices[0].message.tool_calls) == 2


# Schemas, as pydantic writes and reads them.
class Step(pydantic.BaseModel):
    what: str = pydantic.Field(max_length=5)
    times: int | None


class Plan(pydantic.BaseModel):
    steps: list[Step] = pydantic.Field(min_length=1, max_length=2)
    kind: "Kind"


import enum


class Kind(str, enum.Enum):
    small = "small"
    large = "large"


Plan.model_rebuild()
parsed = client.chat.completions.parse(model="tiny", messages=hello, response_format=Plan, max_tokens=400, seed=3)
plan = parsed.choices[0].message.parsed
assert isinstance(plan, Plan) and 1 <= len(plan.steps) <= 2, parsed

# Vectors: the client asks for bytes by itself, and for numbers when told to.
texts = ["open a file", "sort a list", "open the file"]
vectors = [one.embedding for one in client.embeddings.create(model="loci-static", input=texts).data]
numbers = client.embeddings.create(model="loci-static", input=texts, encoding_format="float").data
assert all(abs(a - b) < 1e-6 for a, b in zip(vectors[0], numbers[0].embedding))
close = lambda one, two: sum(a * b for a, b in zip(one, two))
assert close(vectors[0], vectors[2]) > close(vectors[0], vectors[1])


# Errors, each as the client's own type.
def fails(kind, ask):
    try:
        ask()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


stranger = openai.OpenAI(base_url=url, api_key="other", max_retries=0)
fails(openai.AuthenticationError, lambda: stranger.models.list())
fails(openai.NotFoundError, lambda: client.models.retrieve("nobody"))
fails(openai.NotFoundError, lambda: client.chat.completions.create(model="nobody", messages=hello))
error = fails(openai.BadRequestError, lambda: client.chat.completions.create(model="talk", messages=hello, n=2))
assert error.param == "n", error
fails(openai.BadRequestError, lambda: client.chat.completions.create(model="talk", messages=hello, logprobs=True))

# A stream that is left is ended: the next request is answered, with one slot in all.
stream = client.chat.completions.create(model="hang", messages=hello, stream=True)
next(iter(stream))
error = fails(openai.RateLimitError, lambda: client.chat.completions.create(model="talk", messages=hello))
assert error.response.headers["retry-after"] == "1"
stream.close()
for _ in range(200):
    try:
        client.chat.completions.create(model="talk", messages=hello)
        break
    except openai.RateLimitError:
        time.sleep(0.05)
else:
    raise AssertionError("the slot was never given back")
print("all well")
