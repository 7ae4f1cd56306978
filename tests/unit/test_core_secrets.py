import pytest

from scalediff.core.errors import PrerequisiteError
from scalediff.core.secrets import api_key, mask
from scalediff.io.run import Run


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("SCALEDIFF_API_KEY", "OPENAI_API_KEY", "MY_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_the_key_comes_from_the_variable_named_or_one_of_two(monkeypatch):
    assert api_key() is None
    monkeypatch.setenv("OPENAI_API_KEY", "sk-open")
    assert api_key() == "sk-open"
    monkeypatch.setenv("SCALEDIFF_API_KEY", "sk-ours\n")
    assert api_key() == "sk-ours"
    monkeypatch.setenv("MY_KEY", "sk-mine-alone")
    assert api_key("MY_KEY") == "sk-mine-alone"
    assert mask("it said sk-mine-alone") == "it said ***"


def test_a_variable_that_is_not_set_is_one_sentence():
    with pytest.raises(PrerequisiteError, match="MY_KEY"):
        api_key("MY_KEY")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://u:p@h/v1", "https://***@h/v1"),
        ("at http://h/v1?api_key=abc&x=1 and", "at http://h/v1?api_key=***&x=1 and"),
        ("http://h/v1?access_token=a", "http://h/v1?access_token=***"),
        ("http://h/v1#m", "http://h/v1#m"),
        ("mail me@home.org", "mail me@home.org"),
    ],
)
def test_credentials_of_urls_are_masked(text, masked):
    assert mask(text) == masked


def test_a_placeholder_for_a_key_is_left_in_texts(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    assert mask("there is none") == "there is none"


def test_nothing_secret_is_written_into_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALEDIFF_API_KEY", "sk-very-secret")
    run = Run(tmp_path / "run")
    run.update_manifest(steps={"a": {"model": "http://me:hush@h/v1#m"}}, told="sk-very-secret")
    run.event("begin", model="http://me:hush@h/v1#m", told="sk-very-secret")
    written = "".join(p.read_text() for p in (tmp_path / "run").iterdir() if p.is_file())
    assert "***@h/v1#m" in written
    assert "hush" not in written
    assert "sk-very-secret" not in written
