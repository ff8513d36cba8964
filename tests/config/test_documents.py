"""YAML is read as a physicist means it, and every mistake is named with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simmorph.config.documents import Place, Section, parse_yaml, read_document, validate
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
