# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading .po files: what translators' tools write, and mistakes told with their line."""

from __future__ import annotations

import pytest

from selfrect_blender.host import po

GOOD = """# a comment
msgid ""
msgstr ""
"Language: de\\n"

#: ui/panels.py
msgid "Rectify"
msgstr "Entzerren"

msgid "“{name}” is "
"the target."
msgstr ""
"„{name}“ ist "
"das Ziel.\\n"

msgid "Later"
msgstr ""
"""


def test_reads_texts_over_several_lines_and_leaves_out_what_is_not_translated(tmp_path):
    (tmp_path / "de.po").write_text(GOOD, encoding="utf-8")
    assert po.read(tmp_path / "de.po") == {"Rectify": "Entzerren", "“{name}” is the target.": "„{name}“ ist das Ziel.\n"}


@pytest.mark.parametrize("line", ['msgid "open', "nonsense", 'msgstr import("os")', '"lost"'])
def test_tells_the_line_that_it_does_not_understand(tmp_path, line):
    (tmp_path / "de.po").write_text(f'msgid "a"\nmsgstr "b"\n\n{line}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"de\.po, line 4"):
        po.read(tmp_path / "de.po")
