"""The extractor of programs: forms in which models write one, and texts without one."""

from __future__ import annotations

import ast
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.scoring.extract import code

FUNCTION = "def double(x):\n    return 2 * x"
DEMO = "```python\nprint(double(int(input())))\n```"
SAME = {
    "a block": f"Here it is:\n\n```python\n{FUNCTION}\n```\n\nIt's short.",
    "no language": f"```\n{FUNCTION}\n```",
    "Windows": f"```python\n{FUNCTION}\n```".replace("\n", "\r\n"),
    "another language": f"```text\n{FUNCTION}\n```",
    "opened after text": f"The code:```python3\n{FUNCTION}\n```",
    "closed after code": f"```python\n{FUNCTION}```\nThat's it.",
    "not closed": f"```python\n{FUNCTION}",
    "not closed before the next": f"```python\n{FUNCTION}\n\n{DEMO}",
    "opened by the prompt": f"{FUNCTION}\n```\n\nIt doubles.\n\n{DEMO}",
    "attributes": f'```{{.python title="a.py"}}\n{FUNCTION}\n```',
    "on the fence's line": f"```python {FUNCTION}\n```",
    "in a list": "1. Write:\n   ```python\n   def double(x):\n       return 2 * x\n   ```\n2. Run.",
    "in a quotation": "> ```python\n> def double(x):\n>     return 2 * x\n> ```",
    "in Markdown": f"````markdown\n# Title\n```python\n{FUNCTION}\n```\n````",
    "a demonstration": f"```python\n{FUNCTION}\n```\n{DEMO}\n```\n6\n```",
    "other blocks": f"```bash\nls\n```\n```python\n{FUNCTION}\n```\n```js\nfunction f() {{}}\n```",
    "prose around it": f"I'd write (as asked):\n\n{FUNCTION}\n\nFor example, it doesn't fail.",
    "prose in the block": f"```python\nHere's the code:\n{FUNCTION}\n```",
    "indented": "The code:\n\n    def double(x):\n        return 2 * x\n\nThat's all.",
    "a cut test": f"```python\n{FUNCTION}\n\ndef test():\n    assert double(1",
    "a special token": f"{FUNCTION}<|endoftext|>Question: more",
    "tokens around it": f"<|im_start|>assistant\n{FUNCTION}\n<|im_end|>\n<|im_start|>user\n",
    "MBPP's marks": f"[BEGIN]\n{FUNCTION}\n[DONE]\n[BEGIN]\ndef other(): pass\n[DONE]",
    "a mark after code": f"{FUNCTION} [DONE]",
    "Code Llama's marks": f"[PYTHON]\n{FUNCTION}\n[/PYTHON]",
    "tags": f"<answer>\n{FUNCTION}\n</answer>",
    "HTML": "<p>So:</p>\n<pre><code>def double(x):\n    return 2 * x</code></pre>\n<p>Bye.</p>",
    "line breaks of HTML": "<code>def double(x):<br>&nbsp;&nbsp;&nbsp; return 2 * x</code>",
    "a session": "```python\n>>> def double(x):\n...     return 2 * x\n```",
    "IPython": "```\nIn [1]: def double(x):\n   ...:     return 2 * x\n```",
    "a diff": "```diff\n@@ -1,2 +1,2 @@\n-def double(y):\n+def double(x):\n     return 2 * x\n```",
    "line numbers": "```python\n1  def double(x):\n2      return 2 * x\n```",
    "no-break spaces": f"```python\n{FUNCTION}\n```".replace("    ", "\u00a0" * 4),
    "JSON": json.dumps({"why": "It's short.", "code": FUNCTION}),
    "a block of JSON": f"```json\n{json.dumps({'code': FUNCTION})}\n```",
    "escaped newlines": FUNCTION.replace("\n", "\\n"),
    "reasoning": f"<think>```python\ndef f(): pass\n```</think>```python\n{FUNCTION}\n```",
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_forms_of_one_program(text: str) -> None:
    program = code(text, {})
    assert program is not None
    assert ast.dump(ast.parse(program)) == ast.dump(ast.parse(FUNCTION))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n ",
        "I'm sorry, but I can't write that function.",
        "抱歉，我无法完成这个请求。",
        "I can't, as an AI:\n\n1. import issues\n2. for example, this is fine\nreturn to sender",
        " Sorry, I can't, and I won't.",
        "    First, we divide the mass (in g) by the volume.",
        "No",
        "Paris",
        "42",
        "The rate follows:\n\n    rate = k * c\n\nso the answer is B.",
        "```bash\npip install x\n```",
        "```\nThe sum of both.\n```",
        "```python\n```",
        "```java\nint f() { return 1; }\n```",
        "<think>```python\ndef f(): return 1\n```\nLet me",
    ],
)
def test_no_program(text: str) -> None:
    assert code(text, {}) is None


@pytest.mark.parametrize(
    ("text", "program"),
    [
        # blocks that define something belong together
        ("```py\nimport os\n```\nThen\n```py\ndef f(): pass\n```", "import os\n\ndef f(): pass\n"),
        ("```\ndef f(): 1\n```\nBetter:\n```\ndef f(): 2\n```", "def f(): 1\n\ndef f(): 2\n"),
        # strings with fences in them
        ("```python\ndef f():\n    return '```'\n```", "def f():\n    return '```'\n"),
        ("def f():\n    s = '```'\n    return s", "def f():\n    s = '```'\n    return s\n"),
        (
            '```python\ndef f():\n    """\n```\nf()\n```\n"""\n    return 1\n```',
            'def f():\n    """\n```\nf()\n```\n"""\n    return 1\n',
        ),
        # the body of a function
        ("    return 1\n", "    return 1\n"),
        ("return 1", "    return 1\n"),
        ("x = 1\n    return x\n\nIt's one.", "    x = 1\n    return x\n"),
        ("    return g()\n\ndef g():\n    return 1\n\nDone.", "    return g()\n\ndef g():\n    return 1\n"),
        ("```python\n    return 1\n```", "    return 1\n"),
        # only a part of it is Python
        ("You can use `f = lambda x: x`.", "f = lambda x: x\n"),
        ("x = 1", "x = 1\n"),
        # programs with mistakes are programs
        ("```python\ndef f(x)\n    return x\n```", "def f(x)\n    return x\n"),
        ("So:\n\ndef f(x)\n    return x", "def f(x)\n    return x\n"),
        ("```python\ndef f(x):\n    for y in", "def f(x):\n    for y in\n"),
        ("    for x in xs\n        y += x\n    return y", "    for x in xs\n        y += x\n    return y\n"),
    ],
)
def test_extraction(text: str, program: str | None) -> None:
    assert code(text, {}) == program


PARTS = [
    "```",
    "```python\n",
    "~~~",
    "'''",
    '"""',
    "def f(x):",
    "return x",
    "\n",
    "    ",
    "(",
    "[",
    "{",
    ">>> ",
]
PARTS += [
    "#",
    "@a",
    "+",
    "1 ",
    "\\",
    "x",
    " = ",
    "[DONE]",
    "<|a|>",
    "<b>",
    "\r",
    "\t",
    "\0",
    "\ud800",
    "else:",
]


@given(st.lists(st.sampled_from(PARTS), max_size=60))
def test_any_text_gives_a_program_or_none(parts: list[str]) -> None:
    program = code("".join(parts), {})
    assert program is None or program.strip()


@pytest.mark.parametrize(
    "text",
    [
        *(part * 20_000 for part in PARTS),
        *(f"{part}\n" * 20_000 for part in PARTS),
        *(f"x = {part}\n" * 5_000 for part in PARTS),
        "x" + ".y" * 50_000,
        "-" * 100_000 + "1",
        "".join(" " * depth + "if x:\n" for depth in range(400)),
    ],
    ids=range(3 * len(PARTS) + 3),
)
def test_hostile_texts_take_linear_time(text: str) -> None:
    code(text, {})  # quadratic time would take minutes


def test_long_texts() -> None:
    program = "\n".join(f"def f{i}(items):\n    return [item + {i} for item in items]\n" for i in range(500))
    assert code(f"```python\n{program}\n```", {}) == program
    drafts = f"Maybe:\n```python\n{program}\n```\n" * 5
    assert (code(f"{drafts}```python\n{FUNCTION}\n```", {}) or "").endswith(f"{FUNCTION}\n")
