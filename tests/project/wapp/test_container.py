"""The `.wapp` container: what is written comes back, and nothing else does (spec 01 §17)."""

from __future__ import annotations

import hashlib
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from project.wapp.packs import (
    ENTRIES,
    FILES,
    Forge,
    assemble,
    content,
    contents,
    ids,
    resource,
    small,
    stored,
    table_of,
)
from wippy.core.errors import INVALID, NOT_FOUND, Error
from wippy.core.ids import EntryId
from wippy.project.wapp import DiskTree, MemoryTree, Resource, limits
from wippy.project.wapp.encoding import compressed, packed
from wippy.project.wapp.layout import DATA, FRAME, HEADER
from wippy.project.wapp.reader import read_pack
from wippy.project.wapp.writer import write_pack
from wippy.registry.entry import Entry, entry


def refused(path: Path) -> str:
    with pytest.raises(Error) as raised:
        pack = read_pack(path)
        for found in pack.resources:
            contents(found.tree)
    assert raised.value.kind == INVALID
    assert raised.value.message.startswith(f"{path}: ")
    return raised.value.message.removeprefix(f"{path}: ")


# What is written comes back ----------------------------------------


def test_a_pack_gives_back_metadata_entries_and_files(tmp_path: Path) -> None:
    pack = read_pack(small(tmp_path / "x.wapp"))
    assert pack.metadata == {"name": "demo", "version": "1.0.0"}
    assert pack.entries == ENTRIES
    assert isinstance(pack.entries[0].data["pool"]["size"], float)
    assert [str(found.id) for found in pack.resources] == ["app:assets"]
    assert contents(pack.resources[0].tree) == FILES
    assert pack.resources[0].tree.directories == {"": ["empty", "img", "index.html"], "img": ["logo.png"]}


def test_the_layout_is_that_of_the_specification(tmp_path: Path) -> None:
    path = small(tmp_path / "x.wapp")
    data = path.read_bytes()
    assert data[:10] == b"WIPPYPACK\x01"
    offset, size = struct.unpack_from("<QQ", data, 12)
    assert offset == 268 and data[28:60] == hashlib.sha256(data[268 : 268 + size]).digest()
    assert data[60:268] == bytes(208)
    table = table_of(path)
    assert list(table) == ["Metadata", "Entries", "Resources", "DataFrames"]
    assert table["Metadata"]["Offset"] == 268
    assert table["Resources"][0]["FileCount"] == 3 and table["Resources"][0]["Type"] == "tree"
    for frame in (table["Metadata"], table["Entries"], table["Resources"][0]["Frame"], *table["DataFrames"]):
        piece = data[frame["Offset"] : frame["Offset"] + frame["Size"]]
        assert hashlib.sha256(piece).hexdigest() == frame["Hash"]


def test_texts_are_written_in_the_old_raw_family() -> None:
    assert packed("a" * 40) == b"\xda\x00\x28" + b"a" * 40
    assert packed(b"\xff\xfe") == b"\xa2\xff\xfe"


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    folders = []
    for number, order in enumerate((["a.txt", "b/c.txt"], ["b/c.txt", "a.txt"])):
        folder = tmp_path / str(number)
        for name in order:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name * 1000)
        folders.append(folder)
    packs = []
    for folder in folders:
        path = tmp_path / f"{folder.name}.wapp"
        write_pack(path, {"b": 1, "a": 2}, ENTRIES, [Resource(EntryId("app", "files"), DiskTree(folder))])
        packs.append(path.read_bytes())
    assert packs[0] == packs[1]


def test_large_files_are_cut_into_chunks_and_frames(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(FRAME + 3 * limits.MIB + 5)
    files = {"noise.bin": noise, "zeros.txt": bytes(4 * limits.MIB), "photo.jpg": noise[: 2 * limits.MIB + 1]}
    path = tmp_path / "x.wapp"
    write_pack(path, {}, [], [resource(files=files)])
    pack = read_pack(path)
    assert len(table_of(path)["DataFrames"]) == 2
    assert all(frame["Size"] <= FRAME for frame in table_of(path)["DataFrames"])
    assert contents(pack.resources[0].tree) == files


def test_a_pack_stays_readable_after_it_was_replaced(tmp_path: Path) -> None:
    path = small(tmp_path / "x.wapp")
    pack = read_pack(path)
    write_pack(path, {}, [])
    assert contents(pack.resources[0].tree) == FILES


def test_a_failed_writing_leaves_what_was_there(tmp_path: Path) -> None:
    path = small(tmp_path / "x.wapp")
    before = path.read_bytes()
    with pytest.raises(Error, match=r"x\.wapp: entry app:a is there twice"):
        write_pack(path, {}, [entry("app:a", "x"), entry("app:a", "y")])
    with pytest.raises(Error, match="path traversal"):
        write_pack(path, {}, [], [resource(files={"../up": b""})])
    with pytest.raises(Error, match="cannot be packed"):
        write_pack(path, {"x": object()}, [])
    assert path.read_bytes() == before and [item.name for item in tmp_path.iterdir()] == ["x.wapp"]


def test_empty_directories_are_kept_and_links_that_lead_out_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "empty/deep").mkdir(parents=True)
    (folder / "file").write_text("x")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "inside").symlink_to("file")
    (folder / "loop").symlink_to(".")
    write_pack(tmp_path / "x.wapp", {}, [], [Resource(EntryId("a", "b"), DiskTree(folder))])
    tree = read_pack(tmp_path / "x.wapp").resources[0].tree
    assert contents(tree) == {"file": b"x", "inside": b"x"}
    assert tree.directories == {"": ["empty", "file", "inside"], "empty": ["deep"], "empty/deep": []}


def test_a_file_that_goes_away_while_packing_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("x")
    found = Resource(EntryId("app", "files"), DiskTree(folder))
    (folder / "a.txt").unlink()
    with pytest.raises(Error, match=r"x\.wapp: resource app:files: a\.txt: cannot be read: No such file"):
        write_pack(tmp_path / "x.wapp", {}, [], [found])


def test_an_embedded_directory_may_come_without_data(tmp_path: Path) -> None:
    forge = Forge()
    forge.entries = [{"ID": {"ns": "a", "name": "b"}, "Kind": "fs.embed", "Meta": None, "Data": None}]
    assert read_pack(forge.write(tmp_path / "x.wapp")).entries == [entry("a:b", "fs.embed", {})]


def test_other_writers_may_use_lower_case_keys_and_relative_offsets(tmp_path: Path) -> None:
    forge = Forge()
    forge.relative = True
    forge.entries = [{"id": {"NS": "app", "Name": "a"}, "kind": "registry.entry", "meta": None, "data": {"Key": 1}}]
    forge.data = [b"plain"]
    forge.files({"a.txt": {key.lower(): value for key, value in stored(b"plain").items()}})
    pack = read_pack(forge.write(tmp_path / "x.wapp"))
    assert pack.entries == [entry("app:a", "registry.entry", {"Key": 1})]
    assert contents(pack.resources[0].tree) == {"a.txt": b"plain"}


SCALARS = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
SEGMENTS = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..")
)
CHEAP = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@CHEAP
@given(
    metadata=st.dictionaries(st.text(), VALUES, max_size=4),
    data=st.lists(VALUES, max_size=5),
    files=st.dictionaries(SEGMENTS.map("d/{}".format), st.binary(max_size=300), max_size=5),
)
def test_any_data_comes_back(
    tmp_path: Path, metadata: dict[str, Any], data: list[Any], files: dict[str, bytes]
) -> None:
    entries = [Entry(EntryId("app", f"e{number}"), "registry.entry", {}, value) for number, value in enumerate(data)]
    path = tmp_path / "x.wapp"
    write_pack(path, metadata, entries, [resource(files=files)])
    pack = read_pack(path)
    assert pack.metadata == metadata and pack.entries == entries
    assert contents(pack.resources[0].tree) == dict(sorted(files.items()))


# Nothing else does ----------------------------------------


def test_a_pack_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Error) as raised:
        read_pack(tmp_path / "no.wapp")
    assert raised.value.kind == NOT_FOUND and "no.wapp" in raised.value.message


def test_a_directory_is_no_pack(tmp_path: Path) -> None:
    (tmp_path / "x.wapp").mkdir()
    assert "directory" in refused(tmp_path / "x.wapp")


def test_a_pack_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    data = small(tmp_path / "x.wapp").read_bytes()
    cut = tmp_path / "cut.wapp"
    for size in range(len(data)):
        cut.write_bytes(data[:size])
        assert refused(cut)
    cut.write_bytes(data + b"\0")
    assert refused(cut)


@CHEAP
@given(place=st.integers(0), bits=st.integers(1, 255))
def test_a_changed_byte_is_noticed_or_says_nothing(tmp_path: Path, place: int, bits: int) -> None:
    path = small(tmp_path / "x.wapp")
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place] ^= bits
    path.write_bytes(data)
    if place in (10, 11) or 60 <= place < HEADER.size:  # flags and reserved bytes
        assert read_pack(path).entries == ENTRIES
    else:
        assert refused(path)


@CHEAP
@given(section=st.binary(max_size=60), table=st.binary(max_size=60), wrapped=st.booleans())
def test_arbitrary_bytes_with_right_hashes_are_refused(
    tmp_path: Path, section: bytes, table: bytes, wrapped: bool
) -> None:
    path = assemble(tmp_path / "x.wapp", section, compressed(table) if wrapped else table)
    assert refused(path)


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (0, b"PK", "not a pack"),
        (9, b"\x02", "pack version 2 is not supported"),
        (12, b"\0\0", "the data section begins at"),
        (20, b"\xff" * 8, "the data section has"),
        (28, b"\0", "hash mismatch of the data section"),
    ],
)
def test_a_wrong_header_names_the_cause(tmp_path: Path, offset: int, value: bytes, reason: str) -> None:
    path = small(tmp_path / "x.wapp")
    data = bytearray(path.read_bytes())
    data[offset : offset + len(value)] = value
    path.write_bytes(data)
    assert refused(path).startswith(reason)


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ({"Offset": 1 << 40}, "frame 1 is outside of the data section"),
        ({"Size": 1 << 40}, "frame 1 is outside of the data section"),
        ({"Offset": 0}, "frame 1 is outside of the data section"),
        ({"Offset": -1}, "table of contents: Expected `int` >= 0"),
        ({"Hash": "00" * 32}, "hash mismatch of frame 1"),
        ({"UncompressedSize": 1 << 40}, "entries: 1099511627776 bytes when decompressed"),
        ({"UncompressedSize": 2}, "entries: larger than 2 bytes when decompressed"),
        ({"UncompressedSize": 2000}, "entries: "),
        ({"Size": "big"}, "table of contents: Expected `int`, got `str`"),
    ],
)
def test_wrong_frames_are_refused(tmp_path: Path, claim: dict[str, Any], reason: str) -> None:
    forge = Forge()
    forge.entries = [{"ID": {"ns": "a", "name": "b"}, "Kind": "registry.entry"}]
    forge.claims = {1: claim}
    assert refused(forge.write(tmp_path / "x.wapp")).startswith(reason)


def test_frames_may_not_share_bytes_to_multiply_work(tmp_path: Path) -> None:
    forge = Forge()
    forge.data = [b"a" * 1000, b"b" * 10]
    forge.claims = {3: {"Offset": DATA, "Size": 500}}
    assert refused(forge.write(tmp_path / "x.wapp")) == "frames overlap"


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({}, "entries: not a list"),
        ([1], "entries: Expected `object`, got `int`"),
        ([{"ID": {"ns": "a", "name": "b"}}], "entries: Object missing required field `kind`"),
        ([{"ID": "a:b", "Kind": "x"}], "entries: Expected `object`, got `str`"),
        ([{"ID": {"ns": "a", "name": ""}, "Kind": "x"}], "entries: a:: an entry needs a name and a kind"),
        ([{"ID": {"ns": "a", "name": "b"}, "Kind": "x"}] * 2, "entries: a:b is there twice"),
        ([{"ID": {"ns": "a", "name": "b"}, "Kind": "x", "Meta": [1]}], "entries: Expected `object | null`"),
    ],
)
def test_wrong_entries_are_refused(tmp_path: Path, entries: Any, reason: str) -> None:
    forge = Forge()
    forge.entries = entries
    assert refused(forge.write(tmp_path / "x.wapp")).startswith(reason)


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        (b"\xdd\xff\xff\xff\xff", "it ends too early"),
        (b"\xdf\xff\xff\xff\xff" + b"\0" * 100, "it ends too early"),
        (b"\x91" * 300 + b"\xc0", "nested more than 200 deep"),
        (b"\x91" * 50, "it ends too early"),
        (b"\xdb\xff\xff\xff\xff", "it ends too early"),
        (b"\x80\x80", "bytes are left over"),
        (b"\xc4\x01a", "type 0xc4 is not part of the format"),
        (b"\xd4\x01a", "type 0xd4 is not part of the format"),
        (b"\x81\x01\x01", "malformed content"),
        (b"\xa1\xff", "malformed content"),
        (b"", "it ends too early"),
    ],
)
def test_malformed_content_is_refused(tmp_path: Path, plain: bytes, reason: str) -> None:
    forge = Forge()
    forge.raw = {1: compressed(plain)}
    forge.claims = {1: {"UncompressedSize": 0}}
    found = refused(forge.write(tmp_path / "x.wapp"))
    assert found.startswith("entries: ") and reason in found


def test_more_values_than_a_frame_may_hold_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VALUES", 1000)
    forge = Forge()
    forge.entries = [[] for _ in range(1001)]
    assert "more than 1000 values" in refused(forge.write(tmp_path / "x.wapp"))


def test_a_frame_that_decompresses_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ENTRIES", limits.MIB)
    forge = Forge()
    forge.raw = {1: compressed(bytes(64 * limits.MIB))}
    forge.claims = {1: {"UncompressedSize": 0}}
    assert refused(forge.write(tmp_path / "x.wapp")) == "entries: larger than 1048576 bytes when decompressed"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc/passwd", "absolute"),
        ("../up", "path traversal"),
        ("a/../../up", "path traversal"),
        ("a//b", "path traversal"),
        ("./a", "path traversal"),
        ("a/", "path traversal"),
        ("", "a path has no"),
        ("nul\0", "NUL"),
        ("x" * 300, "a name of more than 255 bytes"),
        ("x/" * 600 + "x", "1024 bytes"),
        ("x/" * 100 + "x", "more than 64 segments"),
    ],
)
def test_wrong_paths_are_refused(tmp_path: Path, path: str, reason: str) -> None:
    forge = Forge().files({path: stored(b"x")})
    forge.data = [b"x"]
    found = refused(forge.write(tmp_path / "x.wapp"))
    assert found.startswith("resource app:assets: ") and reason in found


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (stored(b"abc", Size=4, CompressedSize=4), "outside of frame 3"),
        (stored(b"abc", Location={"FrameIndex": 2, "Offset": 0}), "frame 2 is no data frame"),
        (stored(b"abc", Location={"FrameIndex": 9, "Offset": 0}), "frame 9 is no data frame"),
        (stored(b"abc", Location=None), "no location"),
        (stored(b"abc", Size=1 << 40), "1099511627776 bytes, more than"),
        (stored(b"abc", Hash="00" * 32), "a.txt: hash mismatch"),
        (stored(b"abc", Hash=""), "a.txt: hash mismatch"),
        (stored(b"abc", Compressed=True), "a.txt: damaged"),
        (stored(b"ab", Hash=hashlib.sha256(b"abc").hexdigest()), "a.txt: hash mismatch"),
        (stored(b"abc", Location={"FrameIndex": 3, "Offset": 0, "Chunks": [
            {"Size": 1, "Offset": 0, "FrameIndex": 3, "FrameOffset": 0}]}), "its chunks have 1 bytes instead of 3"),
        (stored(b"abc", Location={"FrameIndex": 3, "Offset": 0, "Chunks": [
            {"Size": 3, "Offset": 1, "FrameIndex": 3, "FrameOffset": 0}]}), "its chunks do not follow"),
        (1, "a.txt: Expected `object`"),
    ],
)  # fmt: skip
def test_wrong_files_are_refused(tmp_path: Path, file: Any, reason: str) -> None:
    forge = Forge().files({"a.txt": file})
    forge.data = [b"abc"]
    assert reason in refused(forge.write(tmp_path / "x.wapp"))


@pytest.mark.parametrize("claimed", [10, 64 * limits.MIB + 1])
def test_a_file_of_another_size_than_declared_is_refused(tmp_path: Path, claimed: int) -> None:
    bomb = compressed(bytes(64 * limits.MIB))
    file = stored(bomb, Size=claimed, CompressedSize=len(bomb), Compressed=True)
    forge = Forge().files({"a.txt": file})
    forge.data = [bomb]
    assert "not of the declared size" in refused(forge.write(tmp_path / "x.wapp"))


def test_files_that_share_stored_bytes_count_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNPACKED", 20)
    forge = Forge().files({f"{number}.png": stored(b"abc") for number in range(8)})
    forge.data = [b"abc"]
    assert "more than 20 bytes when decompressed" in refused(forge.write(tmp_path / "x.wapp"))


def test_absurd_counts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RESOURCES", 2)
    monkeypatch.setattr(limits, "FILES", 3)
    forge = Forge()
    for number in range(3):
        forge.files({}, name=f"r{number}")
    assert "more than 2 resources" in refused(forge.write(tmp_path / "x.wapp"))
    many = Forge().files({f"f{number}": stored(b"") for number in range(4)})
    assert "more than 3 files" in refused(many.write(tmp_path / "x.wapp"))
    deep = Forge().files({"a/b/c/d/e": stored(b"")})
    assert "more than 3 directories" in refused(deep.write(tmp_path / "x.wapp"))


def test_a_path_is_a_file_or_a_directory(tmp_path: Path) -> None:
    forge = Forge().files({"a": stored(b""), "a/b": stored(b"")})
    assert '"a" is both a file and a directory' in refused(forge.write(tmp_path / "x.wapp"))
    other = Forge().files({"a": stored(b"")}, {"": ["a"], "a": []})
    assert '"a" is both a file and a directory' in refused(other.write(tmp_path / "x.wapp"))


def test_duplicate_and_unknown_resources_are_refused(tmp_path: Path) -> None:
    forge = Forge().files({}).files({})
    assert "resource app:assets is there twice" in refused(forge.write(tmp_path / "x.wapp"))


def test_a_file_is_read_in_pieces_without_holding_it(tmp_path: Path) -> None:
    path = tmp_path / "x.wapp"
    write_pack(path, {}, [], [resource(files={"zeros": bytes(3 * limits.MIB)})])
    reader = read_pack(path).resources[0].tree.open("zeros")
    assert len(reader.read(10)) == 10
    assert len(reader.read(1 << 30)) <= limits.MIB


def test_ids_come_in_the_order_they_were_written(tmp_path: Path) -> None:
    entries = [entry(f"app:e{number}", "registry.entry") for number in (3, 1, 2)]
    write_pack(tmp_path / "x.wapp", {}, entries)
    assert ids(read_pack(tmp_path / "x.wapp").entries) == ["app:e3", "app:e1", "app:e2"]


def test_a_tree_in_memory_reads_like_one_in_a_pack() -> None:
    assert content(MemoryTree({"a/b": b"x"}), "a/b") == b"x"
    with pytest.raises(KeyError):
        MemoryTree({}).open("no")
