import json

import pytest

from scalediff.core.errors import DamagedError
from scalediff.io.json_files import CHECKED, read_json, write_json

VALUE = {"b": [1, 2.5, None, "é"], "a": {"x": True}, "n": 10**15, "url": "http://me:secret@host/v1"}


def test_a_checked_value_comes_back_without_its_checksum(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {**VALUE, **CHECKED})
    assert json.loads(path.read_text())["check"]
    assert read_json(path) == {**VALUE, "url": "http://***@host/v1"}
    write_json(path, json.loads(path.read_text()) | {"n": 7})  # the checksum is made anew
    assert read_json(path)["n"] == 7


def test_any_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {**VALUE, **CHECKED})
    whole, expected = path.read_bytes(), read_json(path)
    for place in range(len(whole)):
        for bit in range(8):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            try:
                found = read_json(path)
            except DamagedError:
                continue
            # blanks between values, or the name of the checksum itself
            found.pop("check", None)
            assert {n: v for n, v in found.items() if n in expected} == expected


def test_a_value_without_a_checksum_is_taken_as_it_is(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, VALUE)
    assert "check" not in json.loads(path.read_text())
    path.write_text('{"format": 1}')
    assert read_json(path) == {"format": 1}
    assert read_json(tmp_path / "absent.json") is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", bytes(100)])
def test_what_is_no_json_is_damage(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DamagedError, match="not valid JSON"):
        read_json(tmp_path / "a.json")


def test_a_users_file_and_a_link_under_a_likely_name_are_left_alone(tmp_path):
    (tmp_path / "a.json.tmp").symlink_to("elsewhere")
    (tmp_path / "elsewhere").write_text("the user's")
    write_json(tmp_path / "a.json", VALUE)
    assert (tmp_path / "elsewhere").read_text() == "the user's"
    assert (tmp_path / "a.json.tmp").is_symlink()
