"""Names: two lead providers with like names share nothing, and nobody inherits another's mailbox."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from data.records.extract import import_records
from flows.clock import instant
from flows.installation import open_installation
from flows.rounds.intake import intake_round
from flows.settings import Settings
from schemas.records.checks import ExtractRefused
from schemas.slugs import RESERVED, file_names, slug
from sftp.keys import write_new_key
from tests.builders import take_back
from tests.conftest import NOW

LATER = "2026-11-21T09:00:00Z"
OTHER = "0d0c7e2f-58a4-4c61-9f3e-7c1d2b3a4f50"


def loaded(installation, tmp_path, sample, change):
    """Load the lead providers again, changed."""
    folder = tmp_path / f"extract-{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    rows = change(pl.read_csv(sample / "lead_providers.csv", infer_schema=False))
    rows.write_csv(folder / "lead_providers.csv")
    return import_records(installation.database, folder, instant(LATER))


def with_another(name, provider=OTHER):
    def change(rows):
        return pl.concat([rows, rows.head(1).with_columns(name=pl.lit(name), lead_provider_id=pl.lit(provider))])

    return change


def renamed(provider, name):
    def change(rows):
        own = pl.col("lead_provider_id") == provider.lead_provider_id
        return rows.with_columns(name=pl.when(own).then(pl.lit(name)).otherwise("name"))

    return change


ALIKE = [
    "Alder Teaching-Institute",
    "ALDER teaching institute",
    "Álder Teaching Institute!",
    "Alder   Teaching Institute",
]


@pytest.mark.parametrize("name", ALIKE)
def test_a_name_that_folds_to_anothers_is_refused_with_both(installation, provider, tmp_path, sample, name):
    assert slug(name) == provider.slug
    with pytest.raises(ExtractRefused) as refused:
        loaded(installation, tmp_path, sample, with_another(name))
    (fault,) = refused.value.faults
    assert (fault.file, fault.column) == ("lead_providers.csv", "name")
    assert f"“{name}”" in fault.reason and f"“{provider.name}”" in fault.reason
    assert OTHER not in [each.lead_provider_id for each in installation.lead_providers()]


@pytest.mark.parametrize("name", ["Ακαδημία", "教育", "!!!", *sorted(RESERVED), "To DfE"])
def test_a_name_that_makes_no_mailbox_of_its_own_is_refused(installation, tmp_path, sample, name):
    with pytest.raises(ExtractRefused) as refused:
        loaded(installation, tmp_path, sample, with_another(name))
    assert name in refused.value.faults[0].reason


def test_two_new_ones_alike_are_refused(installation, tmp_path, sample):
    def change(rows):
        return with_another("New & Co")(with_another("New Co", OTHER.replace("0d", "0e"))(rows))

    with pytest.raises(ExtractRefused, match="New Co"):
        loaded(installation, tmp_path, sample, change)


def test_who_is_renamed_keeps_the_mailbox(installation, provider, tmp_path, sample):
    installation.accounts.allow(provider.slug)
    loaded(installation, tmp_path, sample, renamed(provider, "Zeta Learning"))
    now = installation.lead_provider(provider.lead_provider_id)
    assert (now.name, now.slug) == ("Zeta Learning", provider.slug)
    box = installation.settings.mailboxes_folder / provider.slug
    installation.mailbox(provider.slug)
    (box / "to-dfe" / "voids.csv").write_text("declaration_id\nx\n")
    done = intake_round(installation, instant(NOW))
    assert [each.submission.lead_provider_id for each in done.outcomes] == [provider.lead_provider_id]
    assert not (box.parent / "zeta-learning").exists()


def test_nobody_inherits_a_mailbox(installation, provider, tmp_path, sample):
    """A renames itself away, and B takes the name: B is another."""
    loaded(installation, tmp_path, sample, renamed(provider, "Zeta Learning"))
    with pytest.raises(ExtractRefused) as refused:
        loaded(
            installation,
            tmp_path,
            sample,
            lambda rows: with_another(provider.name)(renamed(provider, "Zeta Learning")(rows)),
        )
    assert "“Zeta Learning”" in refused.value.faults[0].reason


def test_names_that_are_changed_over_change_no_mailbox(installation, tmp_path, sample):
    first, second = installation.lead_providers()[:2]
    loaded(installation, tmp_path, sample, lambda rows: renamed(second, first.name)(renamed(first, second.name)(rows)))
    now = {each.lead_provider_id: (each.slug, each.name) for each in installation.lead_providers()}
    assert now[first.lead_provider_id] == (first.slug, second.name)
    assert now[second.lead_provider_id] == (second.slug, first.name)
    # A name is no key: what was one's is another's now.
    assert installation.lead_provider(first.slug).lead_provider_id == first.lead_provider_id


@pytest.mark.parametrize("alike", [str, str.upper, "{}!".format])
def test_one_name_twice_is_refused(installation, tmp_path, sample, alike):
    first, second = installation.lead_providers()[:2]
    with pytest.raises(ExtractRefused, match="nobody could tell apart"):
        loaded(installation, tmp_path, sample, renamed(second, alike(first.name)))


def test_a_name_too_long_for_a_folder_is_refused_and_a_partners_is_cut(installation, tmp_path, sample):
    with pytest.raises(ExtractRefused, match="too long"):
        loaded(installation, tmp_path, sample, with_another("Very " * 60 + "long"))
    names = file_names([("aaaaaaaa-1", "North " * 60), ("bbbbbbbb-2", "North " * 60), ("cccccccc-3", "South " * 60)])
    assert len(set(names)) == 3 and max(map(len, names)) < 150


def test_who_has_left_the_records_can_be_seen_and_shut_out(
    installation, provider, tmp_path, sample, monkeypatch, capsys
):
    from flows.commands.main import app

    installation.accounts.add_key("gone-away", write_new_key(tmp_path / "id"))
    monkeypatch.setenv("ECTX_HOME", str(installation.settings.home))
    app(["provider", "list"], standalone_mode=False)
    assert "gone-away\tnot in DfE's records" in capsys.readouterr().out
    app(["provider", "remove", "gone-away"], standalone_mode=False)
    assert installation.accounts.keys("gone-away") == []


def test_a_key_that_opens_two_mailboxes_is_told(installation, tmp_path, monkeypatch, capsys):
    from flows.commands.main import app

    (tmp_path / "id.pub").write_text(write_new_key(tmp_path / "id"))
    monkeypatch.setenv("ECTX_HOME", str(installation.settings.home))
    first, second = installation.lead_providers()[:2]
    for each in (first, second):
        app(["provider", "add", each.slug, "--key", str(tmp_path / "id.pub")], standalone_mode=False)
    assert f"this key opens {first.slug} too" in capsys.readouterr().err


def test_an_installation_from_before_keeps_its_mailboxes_and_parts_those_who_shared_one(filled_home, tmp_path):
    home = Path(shutil.copytree(filled_home, tmp_path / "old"))
    with open_installation(Settings(home=home)) as installation:
        before = installation.lead_providers()
        take_back(installation.database, "0005")
        with installation.database.write() as connection:
            connection.exec_driver_sql(
                "UPDATE lead_providers SET name = ? WHERE lead_provider_id = ?",
                (before[0].name.upper(), before[1].lead_provider_id),
            )
    with open_installation(Settings(home=home)) as installation:
        now = {each.lead_provider_id: each.slug for each in installation.lead_providers()}
    assert len(set(now.values())) == len(before)
    assert {now[each.lead_provider_id] for each in before[2:]} == {each.slug for each in before[2:]}


PARTNERS = [
    (["Teach First", "TEACH FIRST"], ["teach-first-aaaaaaaa", "teach-first-bbbbbbbb"]),
    (["Con", "Nul"], ["con-aaaaaaaa", "nul-bbbbbbbb"]),
    (["教育", "!!!"], ["aaaaaaaa", "bbbbbbbb"]),
    (["Teach", "Learn"], ["teach", "learn"]),
]


@pytest.mark.parametrize(("names", "files"), PARTNERS)
def test_delivery_partners_files_have_names_of_their_own(names, files):
    ids = [letter * 8 + "-0000-4000-8000-000000000000" for letter in "ab"]
    assert file_names(zip(ids, names, strict=True)) == files


def test_ids_that_start_alike_and_names_that_end_like_ids_are_told_apart():
    ids = [f"aaaaaaaa-0000-4000-8000-00000000000{n}" for n in range(3)]
    names = file_names(zip(ids, ["North", "NORTH", "North aaaaaaaa"], strict=True))
    assert len({name.lower() for name in names}) == 3
