"""Render chat templates as `transformers` does, for comparison.

usage: reference.py FOLDER   (conversations as JSON on standard input)
prints one JSON object: {template name: [text or null, one for each conversation]}

Needs: pip install transformers jinja2
"""

import datetime
import json
import pathlib
import sys

from transformers.utils import chat_template_utils


class FixedDate(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


chat_template_utils.datetime = FixedDate


def render(template, conversation):
    try:
        compiled = chat_template_utils._compile_jinja_template(template)
        return compiled.render(
            messages=conversation["messages"],
            tools=conversation["tools"] or None,
            documents=None,
            add_generation_prompt=True,
            bos_token="<s>",
            eos_token="</s>",
            **conversation["variables"],
        )
    except Exception:
        return None


def main():
    conversations = json.load(sys.stdin)
    results = {}
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.jinja")):
        template = path.read_text(encoding="utf-8")
        results[path.name] = [render(template, conversation) for conversation in conversations]
    json.dump(results, sys.stdout)


main()
