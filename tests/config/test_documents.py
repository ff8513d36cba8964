"""YAML is read as a physicist means it, and every mistake is named with its line."""

from __future__ import annotations

import string
import time
from typing import TYPE_CHECKING, Annotated, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from simmorph.config.documents import (
    INCIDENTAL,
    MAX_BYTES,
    Document,
    Inputs,
    Place,
    Section,
    parse_yaml,
    read_document,
    validate,
)
from simmorph.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


class Inner(Section):
    epochs: int = 1


class Outer(Section):
    name: str
    training: Inner = Inner()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("2.5E+4", 25000.0),
        (".5", 0.5),
        ("012", "012"),
        ("1_000", 1000),
        ("-7", -7),
        ("no", "no"),
        ("true", True),
        ("null", None),
        ("'1e-3'", "1e-3"),
        ("1:30", "1:30"),
        ("2026-11-22", "2026-11-22"),
    ],
)
def test_scalars_are_read_as_written(text: str, value: object) -> None:
    read, _ = parse_yaml(text, "text")
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: a\nname: b\n", "f.yaml:2: key 'name' stands twice; see line 1"),
        ("name: &a x\nb: *a\n", "f.yaml:1: anchors and aliases are not allowed"),
        ("name: [1, 2\n", "f.yaml:2: not valid YAML"),
        ("name: {x: pt[0]}\n", "but got '['; put quotes around it"),
        ("- a\n", "the top level is not a block of keys"),
        ("? [a]\n: b\n", "f.yaml:1: a key must be a plain word"),
    ],
)
def test_what_yaml_lets_pass_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_document(path)
    assert says in str(caught.value).replace(str(path), "f.yaml")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("name: a\ntraining:\n  epoch: 3\n", 3, "unknown key 'training.epoch'; did you mean 'epochs'?"),
        ("name: a\ntraining:\n  epochs: many\n", 3, "training.epochs: should be a valid integer"),
        ("training: {}\n", 1, "key 'name' is missing"),
        ("nmae: a\n", 1, "unknown key 'nmae'; did you mean 'name'?"),
    ],
)
def test_a_wrong_key_is_named_with_line_and_mend(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        validate(read_document(path), Outer)
    assert f"f.yaml:{line}: " in str(caught.value)
    assert says in str(caught.value)


def test_overrides_are_typed_like_the_file_and_leave_it_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("name: a\n")
    document = read_document(path)
    changed = document.with_overrides(["training.epochs=7", "name=b"])
    assert validate(changed, Outer) == Outer(name="b", training=Inner(epochs=7))
    assert validate(document, Outer) == Outer(name="a")


@pytest.mark.parametrize("assignment", ["training", "=5", "name.deep=1", "a..b=1"])
def test_a_senseless_override_is_refused(tmp_path: Path, assignment: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("name: a\n")
    with pytest.raises(ConfigError, match="--set"):
        read_document(path).with_overrides([assignment])


def test_a_tag_makes_no_object(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("name: !!python/object/apply:os.getcwd x\n")
    assert read_document(path).content == {"name": "x"}


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x80\x04\x95pickle"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not a text file"):
        read_document(path)


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_document(tmp_path / "none.yaml")


def test_nesting_has_a_bound() -> None:
    with pytest.raises(ConfigError, match=r"nested deeper|not valid YAML"):
        parse_yaml("[" * 300 + "]" * 300, "bomb")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    lines: dict[Place, int] = {}
    try:
        _, lines = parse_yaml(text, "text")
    except ConfigError as error:
        lines[()] = str(error).startswith("text")
    assert all(line > 0 for line in lines.values())


WORDS = st.text(string.ascii_letters + "_", min_size=1, max_size=8).filter(
    lambda word: word.lower() not in {"null", "true", "false"}
)
PLAIN = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | WORDS
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=12
)


class Deep(Section):
    output: Annotated[str, INCIDENTAL] = ""
    inner: Inner = Inner()
    files: Inputs | None = None
    either: int | list[int] = 0


class Marked(Section):
    threads: Annotated[int, INCIDENTAL] = 1
    epochs: int = 1


class Outermost(Section):
    marked: Marked = Marked()
    hidden: Annotated[Marked, INCIDENTAL] = Marked()
    name: str = ""


def document(text: str) -> Document:
    """A document with this text."""
    content, lines = parse_yaml(text, "f.yaml")
    return Document("f.yaml", content, lines)


@given(VALUES)
def test_what_is_written_is_what_is_read(value: object) -> None:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    assert parse_yaml(text.removesuffix("...\n"), "text")[0] == value


@given(st.lists(WORDS, min_size=1, max_size=20, unique=True))
def test_every_key_knows_its_line(names: list[str]) -> None:
    text = "".join(f"# comment\n{name}:\n  inner: 1\n" for name in names)
    read = document(text)
    for number, name in enumerate(names):
        assert read.where((name,)) == f"f.yaml:{3 * number + 2}"
        assert read.where((name, "inner")) == f"f.yaml:{3 * number + 3}"


@given(st.lists(WORDS, min_size=2, max_size=6, unique=True), st.data())
def test_a_key_that_stands_twice_is_found_wherever_it_stands(names: list[str], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(names) - 1))
    lines = [*names, names[first]]
    with pytest.raises(ConfigError) as caught:
        document("".join(f"{name}: 1\n" for name in lines))
    assert str(caught.value) == f"f.yaml:{len(lines)}: key {names[first]!r} stands twice; see line {first + 1}"


def test_equal_keys_of_different_blocks_are_two_keys() -> None:
    assert document("a: {x: 1}\nb: {x: 2}\nc: [{x: 3}, {x: 4}]\n").content["c"] == [{"x": 3}, {"x": 4}]


@pytest.mark.parametrize("text", ["a: &x 1\n", "a: *x\n", "a: &x [1]\nb: [*x, *x]\n", "a: &x {b: 1}\nc: {<<: *x}\n"])
def test_no_anchor_and_no_alias_is_followed(text: str) -> None:
    with pytest.raises(ConfigError, match=r"f\.yaml:\d: anchors and aliases are not allowed; write the value out"):
        document(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("0o17", "0o17"),
        ("0x1F", "0x1F"),
        ("+5", 5),
        ("1_000.5", "1_000.5"),
        ("1e400", float("inf")),
        ("-.inf", float("-inf")),
        ("5.", 5.0),
        ("1.e3", 1000.0),
        ("~", None),
        ("TRUE", True),
        ('"true"', "true"),
        ("[1e-3, no]", [1e-3, "no"]),
    ],
)
def test_other_scalars_are_read_as_written(text: str, value: object) -> None:
    assert parse_yaml(text, "text")[0] == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_to_the_bit_however_python_writes_it(number: float) -> None:
    for text in (repr(number), f"{number:.17e}"):
        assert parse_yaml(text, "text")[0] == number


@given(st.lists(WORDS, min_size=1, max_size=4), VALUES)
def test_an_override_sets_one_key_and_no_other(names: list[str], value: object) -> None:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n")
    before = Document("f.yaml", {"0kept": {"x": 1}})
    after = before.with_overrides([f"{'.'.join(names)}={text}"])
    found: Any = after.content
    for name in names:
        found = found[name]
    assert found == value
    assert after.content["0kept"] == {"x": 1}
    assert before.content == {"0kept": {"x": 1}}


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("training", "--set: 'training' is not KEY=VALUE; write it like training.epochs=5"),
        ("=5", "--set: '=5' is not KEY=VALUE; write it like training.epochs=5"),
        ("a..b=1", "--set: 'a..b=1' is not KEY=VALUE; write it like training.epochs=5"),
        ("name.deep=1", "--set name.deep: 'name' is not a block of keys"),
        ("name=[1", "--set name:1: not valid YAML: expected ',' or ']', but got '<stream end>'; "),
        ("name=&x 1", "--set name:1: anchors and aliases are not allowed; write the value out"),
    ],
)
def test_a_senseless_override_says_how_to_write_it(assignment: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        document("name: a\n").with_overrides([assignment])
    assert str(caught.value).startswith(says)


def test_later_overrides_win_and_values_may_hold_equal_signs() -> None:
    changed = document("name: a\n").with_overrides(["name=b", "name='m_yy == 125'"])
    assert changed.content == {"name": "m_yy == 125"}


def test_an_overridden_key_has_no_line_of_the_file() -> None:
    changed = document("name: a\ntraining: {epochs: 1}\n").with_overrides(["training.epochs=many"])
    with pytest.raises(ConfigError) as caught:
        validate(changed, Outer)
    assert str(caught.value).startswith("f.yaml:2: training.epochs: should be a valid integer")


def test_a_file_that_is_too_large_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"[" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match=f"{MAX_BYTES + 1} bytes are too many for a configuration"):
        read_document(path)


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory; name an existing YAML file"):
        read_document(tmp_path)


def test_an_empty_file_has_no_keys(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("# nothing yet\n")
    with pytest.raises(ConfigError, match="the top level is not a block of keys; write `key: value` lines"):
        read_document(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("inner: 3\n", "f.yaml:1: inner: should be a valid dictionary or instance of Inner, not 3"),
        ("files: []\n", "f.yaml:1: files: value should have at least 1 item, not 0"),
        ("files: ''\n", "f.yaml:1: files: string should have at least 1 character, not ''"),
        ("\nfiles: [a, '']\n", "f.yaml:2: files.1: string should have at least 1 character, not ''"),
        ("either: [1, x]\n", "f.yaml:1: either.1: should be a valid integer, unable to parse string as an integer"),
        ("either: x\n", "f.yaml:1: either: should be a valid integer, unable to parse string as an integer"),
        ("inner: {epochs: 1}\niner: 1\n", "f.yaml:2: unknown key 'iner'; did you mean 'inner'?"),
    ],
)
def test_a_fault_is_named_by_the_keys_that_the_file_has(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(document(text), Deep)
    assert str(caught.value).startswith(says)


def test_a_misspelt_key_is_named_before_one_that_is_missing() -> None:
    with pytest.raises(ConfigError, match="unknown key 'nmae'; did you mean 'name'"):
        validate(document("training: {epochs: 2}\nnmae: a\n"), Outer)


def test_what_a_result_depends_on_leaves_out_marked_keys_at_every_depth() -> None:
    assert Outermost().decisive() == {"marked": {"epochs": 1}, "name": ""}
    assert Deep().decisive() == {"inner": {"epochs": 1}, "files": None, "either": 0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 20_000, "text:1: nested deeper than 30 levels"),
        ("{a: " * 20_000, "text:1: nested deeper than 30 levels"),
        ("- " * 20_000, "text:1: nested deeper than 30 levels"),
        ("a: [" + "1," * 240_000 + "]", "text:1: more than 20000 values are too many for a configuration"),
        ("a: " + "9" * 5000, "text:1: an integer of 5000 digits is too large; 19 at most"),
        ("a: -" + "9" * 20, "text:1: an integer of 20 digits is too large; 19 at most"),
    ],
    ids=["brackets", "braces", "dashes", "values", "digits", "negative"],
)
def test_what_would_take_minutes_is_refused_at_once(text: str, says: str) -> None:
    start = time.process_time()
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "text")
    assert str(caught.value) == says
    assert time.process_time() - start < 5


def test_numbers_of_64_bits_are_integers() -> None:
    assert parse_yaml("9223372036854775807", "text")[0] == 2**63 - 1
