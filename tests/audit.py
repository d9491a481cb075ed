"""`make audit`: every locked package against a database of known vulnerabilities. Exit status 0 only when all were checked
and none is known."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent.parent / "requirements.lock"
COMMAND = [
    "--require-hashes", "--disable-pip", "--vulnerability-service", "osv", "--progress-spinner", "off",
    "--format", "json", "--output", "-",
]  # fmt: skip


def checked(lock: Path, *arguments: str) -> list[dict[str, Any]] | None:
    """The lock's packages (name, version, vulns), or None where no database answered. arguments: pip-audit's own."""
    command = [str(Path(sys.executable).parent / "pip-audit"), "--requirement", str(lock), *COMMAND, *arguments]
    answer = subprocess.run(command, capture_output=True, text=True).stdout
    return json.loads(answer)["dependencies"] if answer.startswith("{") else None


def main() -> int:
    packages = checked(LOCK, *sys.argv[1:])
    if packages is None:
        print("NOT CHECKED: no database of known vulnerabilities answered. Run this where the internet can be reached.")
        return 1
    unread = [each["name"] for each in packages if "skip_reason" in each]
    found = [(each, known) for each in packages for known in each.get("vulns", [])]
    for each, known in found:
        fixed = ", ".join(known["fix_versions"]) or "no version yet"
        print(f"{each['name']} {each['version']}: {known['id']}, fixed in {fixed}")
    if unread:
        print(f"NOT CHECKED: {', '.join(unread)}")
    print(f"{len(packages) - len(unread)} packages checked, {len(found)} known vulnerabilities.")
    return 1 if found or unread else 0


if __name__ == "__main__":
    sys.exit(main())
