"""A dataset folder: whole or not at all, in as many shards as it takes."""

import os

import pyarrow.parquet as pq
import pytest

from scalediff.io.dataset import DatasetWriter


def write(folder, num, **settings):
    writer = DatasetWriter(folder, **settings)
    for i in range(num):
        row = {"split": "original", "key": f"k{i}", "problem": f"{i}?", "solution": str(i)}
        writer.write(row)
    writer.close({"step": "assemble", "domain": "math"})


def rows(folder):
    found = []
    for path in sorted((folder / "data").glob("*.parquet")):
        found += [row["key"] for row in pq.read_table(path).to_pylist()]
    return found


@pytest.mark.parametrize(("num", "shards"), [(4, 2), (5, 3), (6, 3), (7, 4)])
def test_every_shard_holds_its_rows(tmp_path, num, shards):
    write(tmp_path / "dataset", num, rows_per_shard=2)
    names = sorted(os.listdir(tmp_path / "dataset" / "data"))
    assert names == [f"original-{i:05d}-of-{shards:05d}.parquet" for i in range(shards)]
    assert rows(tmp_path / "dataset") == [f"k{i}" for i in range(num)]
    assert os.listdir(tmp_path) == ["dataset"]


@pytest.mark.parametrize("name", ["dataset.tmp", ".dataset.scalediff-00.tmp"])
def test_what_a_killed_assemble_left_is_not_in_the_way(tmp_path, name):
    old = tmp_path / name / "data"
    old.mkdir(parents=True)
    (old / "original-00000.parquet").write_bytes(b"half a shard")
    (old / "foreign-00000-of-00001.parquet").write_bytes(b"of another recipe")
    write(tmp_path / "dataset", 3)
    assert os.listdir(tmp_path) == ["dataset"]
    assert rows(tmp_path / "dataset") == ["k0", "k1", "k2"]


def test_a_link_in_the_place_of_the_temporary_folder_is_not_followed(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("chapter one")
    (tmp_path / "dataset.tmp").symlink_to("precious")
    write(tmp_path / "dataset", 1)
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "chapter one"


def test_pages_carry_checksums(tmp_path):
    write(tmp_path / "dataset", 50)
    (path,) = (tmp_path / "dataset" / "data").glob("*.parquet")
    content = bytearray(path.read_bytes())
    at = pq.ParquetFile(path).metadata.row_group(0).column(0)
    content[at.data_page_offset + at.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(path, page_checksum_verification=True).read()
