"""`sandbox up` over a folder whose yieldbot.toml a person has changed: the changes are kept beside the new file."""

from __future__ import annotations

from pathlib import Path

from tests.kit.program import yieldbot


def test_what_a_person_changed_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    file, copies = folder / "yieldbot.toml", [folder / f"yieldbot.toml.{number}" for number in (1, 2)]

    def up() -> str:
        yieldbot("sandbox", "down", "--dir", folder, cwd=tmp_path)
        ended = yieldbot("sandbox", "up", "--chain", "solana", "--dir", folder, cwd=tmp_path)
        assert ended.code == 0, ended.err
        return ended.err

    try:
        assert "kept as" not in up() + up() and not copies[0].exists(), "as it was written: nothing to keep"
        mine = file.read_text() + "# mine\n"
        file.write_text(mine)
        assert f"yieldbot.toml has been changed by hand: kept as {copies[0]}" in up()
        assert copies[0].read_text() == mine and "# mine" not in file.read_text()
        file.write_text(mine)
        assert "kept as" not in up() and not copies[1].exists(), "these changes are kept already"
        file.write_text(mine + "# and more\n")
        assert str(copies[1]) in up() and copies[0].read_text() == mine
        (folder / ".yieldbot.toml.sha256").unlink()
        file.write_text("schema = 1 # of another program\n")
        up()
        for again in (("sandbox", "up"), ("demo",)):
            refused = yieldbot(*again, "--chain", "solana", "--dir", folder, cwd=tmp_path)
            assert refused.code == 2 and f"a sandbox runs from {folder}: " in refused.err, "its chain is not replaced"
        assert (folder / "yieldbot.toml.3").read_text() == "schema = 1 # of another program\n"
    finally:
        assert yieldbot("sandbox", "down", "--dir", folder, cwd=tmp_path).code == 0
