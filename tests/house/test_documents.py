"""Documents say what the code does: commands, settings, paths, rules, deployments."""

import re
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from flows.deployed import DEPLOYMENTS
from flows.place import PROJECT
from flows.settings import Settings
from schemas.adjustments import KIND as ADJUSTMENTS
from schemas.kinds import KINDS

README = (PROJECT / "README.md").read_text(encoding="utf-8")
TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=PROJECT,
    capture_output=True,
    text=True,
    check=False,
).stdout.split()
# What is delivered to providers is walked in their mailboxes: tests/guidance.
DOCUMENTS = sorted(
    PROJECT / name for name in TRACKED if name.endswith(".md") and not name.startswith("templates/guidance/")
)
ROOMS = ("schemas", "transforms", "data", "sftp", "templates", "flows")
FILES = {path.relative_to(PROJECT).as_posix() for room in (*ROOMS, "tests") for path in (PROJECT / room).rglob("*")}
FAMILIES = {"FILE"} | {rule.code.split("-")[0] for kind in (*KINDS.values(), ADJUSTMENTS) for rule in kind.rules}
RULE = re.compile(rf"\b(?:{'|'.join(sorted(FAMILIES))})-\d{{3}}\b")
NUMBERS = dict(enumerate("no one two three four five six seven eight nine ten eleven twelve".split()))
# Said to operators, by the round itself: no row or file of a sender's breaks it.
TOLD_TO_OPERATORS = {"FILE-003"}


def commands() -> set[str]:
    """Every command and group of `ectx`, as it is typed."""
    from flows.commands.main import app

    def of(command, before: str) -> set[str]:
        found = {f"{before} {name}".strip(): each for name, each in getattr(command, "commands", {}).items()}
        return set(found).union(*(of(each, name) for name, each in found.items()))

    return of(typer.main.get_command(app), "")


def test_every_command_is_in_the_readme_and_no_other():
    there = commands()
    first = {name.split()[0] for name in there}
    named = set(re.findall(r"\bectx ([a-z][a-z-]*)", README.split("Not here yet")[0]))
    assert named <= first, f"README names commands that are not there: {named - first}"
    assert first <= named, f"README does not name: {first - named}"
    told = "\n".join(re.findall(r"^ectx .*$", README, re.M))
    for command in sorted(there):
        assert re.search(rf"\b{re.escape(command.split()[-1])}\b", told), (
            f"README's list of commands does not name ectx {command}"
        )


def test_every_setting_is_in_the_readme_and_no_other():
    settings = {f"ECTX_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"\bECTX_[A-Z_]+\b", README))
    assert named == settings


def test_defaults_in_the_readme_are_the_settings():
    rows = re.findall(r"^\| (`ECTX_[^|]+) \| ([^|]+) \|", README, re.M)
    told = {}
    for names, values in rows:
        names = re.findall(r"ECTX_([A-Z_]+)", names)
        cells = [value.strip(" `") for value in values.split(",")]
        if len(names) == len(cells):
            told |= dict(zip((name.lower() for name in names), cells, strict=True))
    numbers = {name: text for name, text in told.items() if re.fullmatch(r"[\d.]+|[\d*/]+( [\d*/]+){4}", text)}
    assert len(numbers) > 10
    for name, text in numbers.items():
        default = Settings.model_fields[name].default
        assert type(default)(text) == default, f"README says that {name} is {text}; it is {default}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_every_path_that_a_document_names_exists(document: Path):
    text = document.read_text(encoding="utf-8")
    missing = []
    for name in re.findall(r"`([^`\s]+)`", text):
        if (
            not re.fullmatch(r"[\w./-]+\.(?:py|sql|html|css|csv|md|toml|yaml|lock|sh)|[\w./-]+/", name)
            or name.isupper()
        ):
            continue
        if any(word in name for word in ("KIND", "NAME", "DIR", "SLUG", "SUBMISSION", "PERIOD", "MOMENT", "DATE")):
            continue
        name = name.rstrip("/")
        inside = document.parent.relative_to(PROJECT).as_posix()
        known = name in FILES or f"{inside}/{name}" in FILES or (PROJECT / name).exists()
        # A file that we deliver, or one named after another of its folder.
        if (
            not known
            and not any(path.endswith(f"/{name}") for path in FILES)
            and name.split("/")[0] in (*ROOMS, "tests")
        ):
            missing.append(name)
    for name in re.findall(r"\]\(([^)#:]+)\)", text):
        if not (document.parent / name).exists():
            missing.append(name)
    assert missing == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_that_a_room_tells_of_is_in_it(room: str):
    """In the tables of a room's README, the first column names what is there."""
    text = (PROJECT / room / "README.md").read_text(encoding="utf-8")
    there = {path.name for path in (PROJECT / room).rglob("*")}
    for cell in re.findall(r"^\| (`[^|]+) \|", text, re.M):
        for name in re.findall(r"`([\w./]+\.(?:py|sql|html|css|csv|sh)|\w+/)`", cell):
            assert Path(name.rstrip("/").replace("KIND", "voids")).name in there, name


def rules() -> set[str]:
    """Every rule that there is: of kinds, of adjustments, and of files."""
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (PROJECT / "schemas").rglob("*.py"))
    of_files = set(re.findall(r'"(FILE-\d{3})"', sources))
    return of_files | {rule.code for kind in (*KINDS.values(), ADJUSTMENTS) for rule in kind.rules}


def test_every_rule_is_told_once_and_no_other():
    told = (PROJECT / "schemas/README.md").read_text(encoding="utf-8")
    first_cells = re.findall(r"^\| ([A-Z][^|]*) \|", told, re.M)
    codes = [code for cell in first_cells for code in RULE.findall(cell)]
    assert len(codes) == len(set(codes))
    assert set(codes) == rules()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_every_rule_that_a_document_names_exists(document: Path):
    assert set(RULE.findall(document.read_text(encoding="utf-8"))) <= rules() | TOLD_TO_OPERATORS


def test_comments_speak_of_what_is_there():
    """`room/README.md, Section` in code is a heading there; rules and files that comments name exist."""
    wrong = []
    for path in (
        PROJECT / name for name in TRACKED if name.endswith((".py", ".sql")) and not name.startswith("tests/")
    ):
        text = path.read_text(encoding="utf-8")
        for document, section in re.findall(r"(\w+/README\.md), ([A-Z][a-z]+(?: [a-z]+)*)", text):
            headings = re.findall(r"^#+ (.+)$", (PROJECT / document).read_text(encoding="utf-8"), re.M)
            if not any(section.startswith(heading) or heading.startswith(section) for heading in headings):
                wrong.append(f"{path.name}: {document}, {section}")
        wrong += [f"{path.name}: {code}" for code in RULE.findall(text) if code not in rules() | TOLD_TO_OPERATORS]
        if "handbook" in text.lower():
            wrong.append(f"{path.name}: cites what the project does not hold")
    assert wrong == []


def test_kinds_and_types_are_in_the_readme():
    for kind in KINDS.values():
        row = re.search(rf"^\| `{kind.name}` \|.*$", README, re.M)
        assert row, kind.name
        if "the same" not in row[0]:
            assert all(f"`{column}`" in row[0] for column in (*kind.required, *kind.optional)), kind.name
    assert f"{NUMBERS[len(KINDS)].title()} kinds of file" in README


def test_prefect_yaml_is_what_serve_does():
    told = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    assert [each["name"] for each in told] == [each.name for each in DEPLOYMENTS]
    settings = Settings()
    for yaml_says, ours in zip(told, DEPLOYMENTS, strict=True):
        assert yaml_says["entrypoint"] == f"flows/deployed.py:{ours.flow.fn.__name__}"
        assert yaml_says["description"] == ours.flow.description
        due = getattr(settings, ours.setting) if ours.setting else None
        said = [
            each.get("interval") or (each["cron"], each["timezone"]) for each in yaml_says.get("schedules", [])
        ]  # fmt: skip
        assert said == ([] if due is None else [due if isinstance(due, int) else (due, "Europe/London")])
        assert "concurrency_limit" not in yaml_says
        takes_it = "spread" in ours.flow.parameters.properties
        assert yaml_says.get("parameters", {}) == ({"spread": True} if takes_it else {})


def test_deployments_that_documents_name_are_there():
    there = {f"{each.flow.name}/{each.name}" for each in DEPLOYMENTS}
    assert set(re.findall(r"deployment `([\w-]+/[\w-]+)`", README)) <= there


def test_make_targets_that_documents_name_are_there():
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    for document in DOCUMENTS:
        named = set(re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8")))
        assert named <= targets, document.name
