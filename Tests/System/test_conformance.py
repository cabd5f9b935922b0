"""docs/conformance.md against the tree: every statement once, and nothing named that does not exist."""

import re
from collections import Counter
from functools import cache

import pytest

from broker import ROOT

# How many statements each chapter of each appendix B has.
STATEMENTS = {
    "MQTT 3.1.1": {1: 3, 2: 9, 3: 95, 4: 26, 6: 4, 7: 4},
    "MQTT 5.0": {1: 5, 2: 7, 3: 175, 4: 60, 6: 4},
}
ROW = re.compile(r"\| \[MQTT-(\d+)\.(\d+)\.(\d+)-(\d+)\] \| (.+) \| (server|client|both) \| (.*) \| (.*) \|")


@cache
def rows(version):
    """[((chapter, section, subsection, number), what, binds, files, shown)] of one version."""
    text = (ROOT / "docs" / "conformance.md").read_text()
    part = text.split(f"\n## {version}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ") and not line.startswith("| statement")]
    found = []
    for line in lines:
        match = ROW.fullmatch(line)
        assert match, f"not a row: {line}"
        found.append((tuple(map(int, match.groups()[:4])), *match.groups()[4:]))
    return found


# What binds a server that does something that Apus does not.
WITHOUT_TEST = {("MQTT 3.1.1", (7, 0, 0, 1))}


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("version", STATEMENTS)
def test_every_statement_stands_once(version):
    identifiers = [row[0] for row in rows(version)]
    assert [name for name, count in Counter(identifiers).items() if count > 1] == []
    assert Counter(name[0] for name in identifiers) == STATEMENTS[version]
    assert identifiers == sorted(identifiers)
    # Numbers follow one another within a section; MQTT 5's 2.2.1 has no first.
    for name in identifiers:
        before = (*name[:3], name[3] - 1)
        assert name[3] == 1 or before in identifiers or (version, name) == ("MQTT 5.0", (2, 2, 1, 2)), name


@pytest.mark.parametrize("version", STATEMENTS)
def test_files_and_tests_exist(version):
    wrong = []
    for name, _, binds, files, shown in rows(version):
        wrong += [(name, file) for file in names(files) if not (ROOT / file).is_file()]
        if (version, name) in WITHOUT_TEST:
            wrong += [(name, "no reason why there is no test")] * (not shown.startswith("none: "))
            continue
        wrong += [(name, test) for test in names(shown) if not test_exists(test)]
        if binds != "client" and not names(shown):
            wrong.append((name, "no test"))
    assert wrong == []


@cache
def test_exists(name):
    file, *parts = name.split("::")
    path = ROOT / "Tests" / file if "/" in file else ROOT / "Tests" / "System" / file
    if not path.is_file() or not parts:
        return False
    text = path.read_text()
    return all(re.search(rf"^ *(@Test.* )?(def|func|class) {part}\b", text, re.M) for part in parts)


test_exists.__test__ = False
