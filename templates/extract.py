"""index.html of an extract: what is in the folder, what changed since the last time, what stands out."""

from datetime import datetime

from schemas.outbound.extracts import FILES
from templates.extract_files import Set, Writing, some_columns
from templates.rendering import page
from transforms.extracts.story import READ, SHOWN, Story, stands_out


def write_extract_page(writing: Writing, said: Set, story: Story) -> None:
    """Write index.html beside the CSV files, from them."""
    files = {file.name: some_columns(writing.full, file, *columns) for file, columns in READ.items()}
    look = stands_out(files, said.lead_provider_name)
    text = page(
        "extract.html",
        said=said,
        before=datetime.fromisoformat(said.before["as_of"]) if said.before else None,
        files=[(f"{file.name}.csv", file.title, writing.counts[file.name]) for file in FILES],
        changed={
            name: counts
            for name, counts in writing.counts.items()
            if any(counts[w] for w in ("new", "changed", "removed"))
        },
        changes=said.changes,
        happened=story.happened,
        moved=story.moved,
        unpartnered=look.unpartnered.head(SHOWN).to_dicts(),
        unpartnered_count=look.unpartnered.height,
        awaiting=look.awaiting.head(SHOWN).to_dicts(),
        awaiting_schools=look.awaiting.height,
        awaiting_count=int(look.awaiting["declarations"].sum()),
        idle=look.idle,
    )
    (writing.full / "index.html").write_text(text, encoding="utf-8")
