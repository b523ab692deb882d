"""What a source's content is known by."""

from pathlib import Path

from streams.fingerprint import fingerprint


def test_a_file_is_known_by_its_ends_and_its_size_and_not_by_its_name(tmp_path: Path) -> None:
    first, copy = tmp_path / "a.mp4", tmp_path / "b c.mp4"
    content = bytes(3 << 20)
    first.write_bytes(content)
    copy.write_bytes(content)
    assert fingerprint(str(first)) == fingerprint(str(copy)) == fingerprint(f"file://{tmp_path}/b%20c.mp4") != ""
    for changed, remark in (
        (b"x" + content[1:], "its beginning"),
        (content[:-1] + b"x", "its end"),
        (content + b"\0", "its length"),
    ):
        copy.write_bytes(changed)
        assert fingerprint(str(copy)) != fingerprint(str(first)), remark


def test_a_folder_is_known_by_its_files_and_what_is_no_file_by_nothing(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"1")
    before = fingerprint(str(tmp_path))
    (tmp_path / "2.png").write_bytes(b"2")
    assert "" != before != fingerprint(str(tmp_path))
    assert fingerprint(str(tmp_path / "missing.mp4")) == fingerprint("camera:0") == ""
    assert fingerprint("sample:match?seed=1") != fingerprint("sample:match?seed=2")
