"""Every kind of error and warning, word for word.

``python -m tests.unit.config.test_goldens`` writes the files anew; read the difference before you keep it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sidecar.config.keyfile import parse_key_file
from sidecar.model.errors import ConfigError
from tests.support.settings import load_files

FOLDER = Path(__file__).parents[2] / "goldens" / "config"
SECRETS = ("correct-horse", "correct_horse", "staple", "1234567")


class Case(NamedTuple):
    file: str
    name: str
    text: str
    expected: str


def cases(file: str) -> Iterator[Case]:
    for block in (FOLDER / file).read_text().split("### ")[1:]:
        name, _, rest = block.partition("\n")
        text, _, expected = rest.partition(">>>\n")
        yield Case(file, name, text, expected)


def errors_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_files({"sidecar.yaml": text})
    return str(caught.value)


def warnings_of(text: str) -> str:
    return "\n".join(str(problem) for problem in load_files({"sidecar.yaml": text}).warnings)


def key_file_errors_of(text: str) -> str:
    entries, problems = parse_key_file("keys.yaml", text.encode(), ["2026-1"])
    assert not entries
    return "\n".join(str(problem) for problem in problems)


RUN: dict[str, Callable[[str], str]] = {
    "reader.txt": errors_of,
    "schema.txt": errors_of,
    "semantics.txt": errors_of,
    "policies.txt": errors_of,
    "lint.txt": warnings_of,
    "keyfile.txt": key_file_errors_of,
}
ALL = [case for file in RUN for case in cases(file)]


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.file}: {case.name}")
def test_messages(case: Case) -> None:
    """Security rules 18, 22 and 25: every problem with file, line, key and way out; never a secret."""
    actual = RUN[case.file](case.text) + "\n"
    assert not [secret for secret in SECRETS if secret in actual]
    assert actual == case.expected


def update() -> None:
    for file, run in RUN.items():
        blocks = [f"### {case.name}\n{case.text}>>>\n{run(case.text)}\n" for case in cases(file)]
        (FOLDER / file).write_text("".join(blocks))


if __name__ == "__main__":
    update()
