"""Checks dataset files by the rules that trainers state, knowing nothing of how confab writes them.

Each check raises AssertionError with the line that breaks a rule.
"""
import json

ROLES = {"system", "user", "assistant"}


def refuse_constant(name):
    raise AssertionError(f"{name} is not JSON")


def parse(text):
    def pairs(items):
        keys = [key for key, _ in items]
        assert len(keys) == len(set(keys)), f"a key twice: {keys}"
        return dict(items)
    return json.loads(text, object_pairs_hook=pairs, parse_constant=refuse_constant)


def rows(data, is_array=False):
    """The records of a file's bytes: UTF-8 without BOM, LF line ends, an object a line."""
    assert not data.startswith(b"\xef\xbb\xbf"), "a BOM"
    assert b"\r" not in data, "a CR"
    text = data.decode("utf-8", "strict")
    assert "\x00" not in text
    if is_array:
        records = parse(text)
        assert isinstance(records, list)
    else:
        assert text == "" or text.endswith("\n"), "no newline at the end"
        lines = text.split("\n")[:-1] if text else []
        assert all(lines), "a blank line"
        records = [parse(line) for line in lines]
    assert all(isinstance(record, dict) for record in records)
    same_types(records)
    return records


def same_types(records):
    """Arrow infers one schema a file: the same keys, and the same type for each."""
    for record in records[1:]:
        assert list(record) == list(records[0]), f"other keys: {list(record)}"
        for key, value in record.items():
            first = records[0][key]
            assert type(value) is type(first), f"{key}: {value!r} beside {first!r}"


def is_text(value):
    return isinstance(value, str) and value.strip() != "" and \
        not any(0xD800 <= ord(char) <= 0xDFFF for char in value)


def alternates(roles, user, assistant):
    return len(roles) >= 2 and len(roles) % 2 == 0 and \
        all(role == (user if i % 2 == 0 else assistant) for i, role in enumerate(roles))


def check_messages(record):
    """OpenAI chat, TRL language modelling, Axolotl chat_template, LLaMA-Factory messages."""
    assert list(record) == ["messages"], record
    turns = record["messages"]
    assert isinstance(turns, list)
    for turn in turns:
        assert list(turn) == ["role", "content"], turn
        assert turn["role"] in ROLES and is_text(turn["content"]), turn
    roles = [turn["role"] for turn in turns]
    if roles[0] == "system":
        roles = roles[1:]
    assert alternates(roles, "user", "assistant"), roles


def check_sharegpt(record, with_system=False):
    """FastChat; with system turns as LLaMA-Factory and Axolotl take them."""
    assert set(record) >= {"id", "conversations"} and is_text(record["id"]), record
    turns = record["conversations"]
    for turn in turns:
        assert list(turn) == ["from", "value"], turn
        assert is_text(turn["value"]), turn
    roles = [turn["from"] for turn in turns]
    if with_system and roles[0] == "system":
        roles = roles[1:]
    assert alternates(roles, "human", "gpt"), roles


def check_alpaca(record):
    """Stanford Alpaca with LLaMA-Factory's system and history."""
    assert set(record) == {"instruction", "input", "output", "system", "history"}, record
    assert is_text(record["instruction"]) and is_text(record["output"]), record
    assert isinstance(record["input"], str) and isinstance(record["system"], str)
    for pair in record["history"]:
        assert isinstance(pair, list) and len(pair) == 2 and all(map(is_text, pair)), pair


def check_jsonl(record):
    """Everything that is known: flat columns but for the turns, JSON inside them as text."""
    for turn in record["turns"]:
        assert list(turn) == ["role", "content"] and turn["role"] in ROLES, turn
    for key, value in record.items():
        assert key == "turns" or value is None or isinstance(value, (str, int, float, bool)), key


CHECKS = {"messages": check_messages, "sharegpt": check_sharegpt, "alpaca": check_alpaca,
          "jsonl": check_jsonl}
