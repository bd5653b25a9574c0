"""The documentation is held against the code: examples apply, commands parse, tables are complete."""

import ast
import re
import shlex
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import click
import fakeredis
import pytest
import yaml
from pydantic_core import PydanticUndefined

from producer.applying import apply
from producer.cli import cli
from producer.remote.door import TOKEN, URL
from producer.yaml_tree import plain, read_tree
from worker.errors import TellOperator
from worker.exports.channels import Email, Slack, Webhook, form
from worker.exports.definitions import AddressColumns, Connection, Consent, Definition, Export, Guard, Segment
from worker.exports.failures import SENTENCES
from worker.exports.outcomes import Outcome
from worker.exports.runs import FINAL, HELD
from worker.keyring import Keyring
from worker.settings import Settings
from worker.state.catalog import Catalog
from worker.state.client import connect

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
CONFIGURATION = ROOT / "docs" / "configuration.md"
OPERATIONS = ROOT / "docs" / "operations.md"
MODELS: dict[str, type[Definition]] = {
    "### Connections": Connection,
    "#### Consent": Consent,
    "### Segments": Segment,
    "### Exports": Export,
    "#### Guard": Guard,
    "### Address columns": AddressColumns,
    "#### Webhook": Webhook,
    "#### Slack": Slack,
    "#### E-mail": Email,
}
WIDEST = 118

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"^ {4}(.*)$", re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:^|[\s/$(])segment-export +([a-z-][^|&>\n]*)")
_PUBLIC_NAMES = re.compile(r"\b(?:SEGMENT_EXPORT_[A-Z_]+|WORKER_[A-Z]+)\b")

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def code_of(document: Path) -> Iterator[str]:
    """Each piece of code: lines of blocks, and spans within the text."""
    text = document.read_text()
    for _, block in _FENCED.findall(text):
        yield from block.splitlines()
    prose = _FENCED.sub("", text)
    yield from _INDENTED.findall(prose)
    yield from _SPAN.findall(_INDENTED.sub("", prose))


def section(document: Path, heading: str) -> str:
    """The text from a heading to the next one."""
    found = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^#|\Z)", document.read_text(), re.DOTALL | re.MULTILINE
    )
    assert found, f"{document.name} has no heading {heading}"
    return found[1]


def table(text: str, first: str) -> list[list[str]]:
    """The cells of the table whose first column has this heading."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    start = next(at for at, row in enumerate(rows) if row[0].strip("| ") == first)
    ends = (at for at, row in enumerate(rows) if at > start + 1 and set(row[0]) <= set("- |"))
    return rows[start + 2 : next(ends, len(rows) + 1) - 1]


def codes(cell: str) -> list[str]:
    """What stands in a cell as code."""
    return _SPAN.findall(cell)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(ROOT / "README.md", id="README.md"),
        pytest.param(
            CONFIGURATION,
            id="configuration.md",
        ),
    ],
)
def test_an_example_of_a_configuration_applies(document: Path, tmp_path: Path) -> None:
    examples = [block for language, block in _FENCED.findall(document.read_text()) if language == "yaml"]
    assert examples
    for example in examples:
        path = tmp_path / "catalog.yaml"
        path.write_text(example)
        catalog = Catalog(fakeredis.FakeRedis(decode_responses=True))
        applied = apply(path, catalog, Keyring([b"k" * 32]), {"MAILCHIMP_API_KEY": f"{'0' * 32}-us21"})
        assert applied.warnings == ()
        assert {change.what for change in applied.changes} == {"added"}
        export = catalog.export("weekly-newsletter")
        catalog.save(exports=[export.model_copy(update={"enabled": True})])
        assert catalog.export_bundle("weekly-newsletter")


def test_the_example_of_every_key_has_every_key_and_no_default() -> None:
    (example,) = [text for language, text in _FENCED.findall(CONFIGURATION.read_text()) if language == "yaml"]
    # by our own reader: to YAML 1.1 the key `on` is a boolean
    written: Any = plain(read_tree(example)[0])
    by_type = {each["type"]: [each] for each in written["notifications"].values()}
    kinds: list[tuple[type[Definition], Collection[dict[str, Any]]]] = [
        (Connection, written["connections"].values()),
        (Segment, written["segments"].values()),
        (Export, written["exports"].values()),
        *((form(kind), channels) for kind, channels in by_type.items()),
    ]
    for model, definitions in kinds:
        every = {key for definition in definitions for key in definition}
        assert every == model.model_fields.keys() - {"name"}
        for definition in definitions:
            usual = {key for key, value in definition.items() if model.model_fields[key].default == value}
            assert usual == set()
    assert written["exports"]["weekly-newsletter"]["guard"].keys() == Guard.model_fields.keys()


@documents
def test_every_command_that_is_quoted_can_be_given(document: Path) -> None:
    for line in code_of(document):
        for found in _COMMAND.findall(line):
            _parse(shlex.split(found, comments=True))


def _parse(arguments: list[str]) -> None:
    group: click.Group = cli
    for at, word in enumerate(arguments):
        if word == "--debug":
            continue
        command = group.get_command(click.Context(group), word)
        assert command is not None, f"there is no command {word} of segment-export {arguments[:at]}"
        if isinstance(command, click.Group):
            group = command
            continue
        rest = arguments[at + 1 :]
        if rest or not any(isinstance(each, click.Argument) and each.required for each in command.params):
            # with its parent: a command keeps the names of its help option from the first time it is asked
            command.make_context(word, rest, parent=click.Context(group, **group.context_settings))
        return


@documents
def test_links_lead_somewhere(document: Path) -> None:
    for target in _LINK.findall(document.read_text()):
        if target.startswith("https://"):
            continue
        place, _, anchor = target.partition("#")
        path = document.parent / place if place else document
        assert path.exists(), f"{document.name} links to {target}"
        if anchor:
            assert anchor in _anchors(path), f"{document.name} links to {target}"


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@documents
def test_tests_and_files_that_are_named_exist(document: Path) -> None:
    sources = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    known = "\n".join(sources.values())
    for span in _SPAN.findall(document.read_text()):
        if re.fullmatch(r"test_\w+", span):
            assert re.search(rf"^ *def {span}\(", known, re.MULTILINE), span
        if re.fullmatch(r"(?:tests|worker|producer|bench|docs)/[\w./]+", span):
            assert (ROOT / span).exists(), span


@documents
def test_variables_that_are_named_exist(document: Path) -> None:
    assert set(_PUBLIC_NAMES.findall(document.read_text())) <= _variables()


def _variables() -> set[str]:
    aliases = {str(field.validation_alias) for field in Settings.model_fields.values()}
    return aliases | {URL, TOKEN} | set(re.findall(r"\$\{(\w+):-", (ROOT / "Procfile").read_text()))


def test_every_variable_is_in_the_table_of_the_environment() -> None:
    rows = table(section(CONFIGURATION, "## The environment"), "variable")
    assert {name for row in rows for name in codes(row[0])} == _variables()


def test_the_defaults_of_the_environment_are_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Settings.from_environment()
    procfile = (ROOT / "Procfile").read_text()
    for name, told, _ in table(section(CONFIGURATION, "## The environment"), "variable"):
        (variable,) = codes(name)
        if variable.startswith("WORKER_"):
            assert f"${{{variable}:-{codes(told)[0]}}}" in procfile
        elif re.fullmatch(r"`[\w:/.]+`", told) and not told.startswith("`./"):
            monkeypatch.setenv(variable, codes(told)[0])
            assert Settings.from_environment() == usual, variable


@pytest.mark.parametrize("heading", MODELS)
def test_every_key_is_in_its_table_with_its_default(heading: str) -> None:
    fields = {name: field for name, field in MODELS[heading].model_fields.items() if name != "name"}
    rows = {codes(row[0])[0]: row for row in table(section(CONFIGURATION, heading), "key")}
    assert rows.keys() == fields.keys()
    for key, field in fields.items():
        told = rows[key][1]
        assert (told == "required") == field.is_required(), key
        if codes(told):
            assert yaml.safe_load(codes(told)[0]) == field.default, key
        elif told in {"none", "unset"}:
            assert field.get_default(call_default_factory=True) in (None, "", {}, PydanticUndefined), key


def test_every_state_and_outcome_is_explained() -> None:
    states = table(section(OPERATIONS, "## Runs"), "state")
    assert FINAL | {HELD} <= {codes(row[0])[0] for row in states}
    outcomes = table(section(OPERATIONS, "## Runs"), "outcome")
    assert [codes(row[0])[0] for row in outcomes] == [str(outcome) for outcome in Outcome]


def test_every_reason_to_give_up_a_chunk_is_explained() -> None:
    explained = {code for row in table(section(OPERATIONS, "## Runs"), "code") for code in codes(row[0])}
    assert SENTENCES.keys() <= explained


def test_every_event_of_the_logs_is_explained_and_no_other() -> None:
    rows = table(section(OPERATIONS, "## Logs and alarms"), "event")
    explained = [event for row in rows for event in codes(row[0])]
    assert sorted(explained) == sorted(set(_events()))


def _events() -> Iterator[str]:
    for module in [*(ROOT / "worker").rglob("*.py"), *(ROOT / "producer").rglob("*.py")]:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                if node.func.attr in {"info", "warning", "error", "critical", "exception"}:
                    yield from _texts(first)
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "event":
                yield from _texts(node.value)


def _texts(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        text = each.value if isinstance(each, ast.Constant) else None
        if isinstance(text, str) and re.fullmatch(r"[a-z_]+\.[a-z_]+", text):
            yield text


def test_sentences_of_failed_runs_are_those_of_the_code() -> None:
    said = list(_sentences())
    for row in table(section(OPERATIONS, "## Failed runs"), "sentence"):
        (told,) = codes(row[0])
        pattern = re.compile(".*".join(map(re.escape, told.split("…"))), re.DOTALL)
        assert any(pattern.search(sentence) for sentence in said), told


def _sentences() -> Iterator[str]:
    """Every text of the workers, with … where something is filled in."""
    for module in [*(ROOT / "worker").rglob("*.py"), *(ROOT / "worker").rglob("*.lua")]:
        text = module.read_text()
        if module.suffix == ".lua":
            yield re.sub(r"' \.\. \w+ \.\. '", "…", text)
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.JoinedStr):
                yield "".join(_part(value) for value in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def _part(value: ast.expr) -> str:
    return str(value.value) if isinstance(value, ast.Constant) else "…"


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        for line in code_of(document):
            assert set(re.findall(r"^make (\w+)", line)) <= targets, line


@pytest.mark.parametrize(
    "document",
    [path for path in DOCUMENTS if path.name not in {"architecture.md", "security.md"}],
    ids=lambda path: path.name,
)
def test_lines_are_short_enough_to_read_anywhere(document: Path) -> None:
    assert [line for line in document.read_text().splitlines() if len(line) > WIDEST] == []


def test_a_variable_that_is_set_to_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMENT_EXPORT_KEEP", "")
    with pytest.raises(TellOperator, match="SEGMENT_EXPORT_KEEP is empty"):
        Settings.from_environment()


def test_a_private_certificate_authority_is_named_in_the_url() -> None:
    options: dict[str, Any] = connect(
        "rediss://here:1/0?ssl_ca_certs=/ca.pem"
    ).connection_pool.connection_kwargs
    assert options["ssl_ca_certs"] == "/ca.pem"
