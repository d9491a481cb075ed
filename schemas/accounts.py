"""What statements are computed from: the records of contracts and declarations, and what was expected of them, as frames."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Expectations:
    """What was expected of some statements, and the records beside it.

    lists: the lists of expected payments that stand, month by month: lead_provider_id, contract_period, statement_month,
        submission_id, number, file_name, statement_id (which the month is compared with), misplaced_words (null where that is
        its own; else what to say of a row stated for a month that has no statement, or one that was paid by then)
    rows: of those lists: statement_id, submission_id, lead_provider_id, participant_id, participant_type, declaration_type,
        expected_amount, delivery_partner_id, your_reference, misplaced_words
    trained: participant_id, lead_provider_id, trn, full_name: those named whom each provider trains or has trained
    merges: participant_id, merged_into
    partners: of those for whom a delivery partner was expected, what the records say of it: lead_provider_id, participant_id,
        participant_type, expected_partner_id, expected_partner_name; where they trained with it: trained_at, trained_at_id,
        trained_until; the last correction from or to it: corrected_from, corrected_to, corrected_at
    declarations: of those named: lead_provider_id (who declared), participant_id, participant_type, declaration_type,
        declaration_id, created_at, statuses and statements
    voids: of those that were voided or clawed back, by which act: declaration_id, happened_at, author, by_submission_id,
        by_file_name, by_row_number, by_line_number; none where the records came so
    rejected: the last row turned away: lead_provider_id, participant_id, participant_type, declaration_type,
        submission_id, file_name, row_number, line_number (null where it was not kept), rule_codes, messages (null where they were
        not kept)
    rejected_of_lists: rows of the lists which were turned away: submission_id, statement_month and contract_period (null where
        they could not be read), participant_id, participant_type, declaration_type, line_number, rule_codes, messages
    """

    lists: pl.DataFrame
    rows: pl.DataFrame
    trained: pl.DataFrame
    merges: pl.DataFrame
    partners: pl.DataFrame
    declarations: pl.DataFrame
    rejected: pl.DataFrame
    rejected_of_lists: pl.DataFrame
    voids: pl.DataFrame


@dataclass(frozen=True)
class Accounts:
    """What is needed to compute statements.

    statements: all of the contract periods concerned, each with its contract's terms and lead provider
    chosen: statement_id of those to compute
    bands: contract_id, band, capacity, fee_per_declaration, output_fee_ratio, service_fee_ratio, by band
    mismatched: bands without terms and terms without a band (schemas.records.prices.mismatched_bands)
    units: statement_id, counted_as (`all`, `ect`, `mentor`), declaration_type, billed, refunded: every statement's
    declarations: one row per declaration and capacity in which it is on a chosen statement: line_type (`output`,
        `clawback`, `voided`) and what declarations.csv says of it
    adjustments: statement_id, payment_type, amount
    named: every statement that there is: its month, dates and status, lead provider and contract period
    """

    statements: pl.DataFrame
    chosen: pl.Series
    bands: pl.DataFrame
    mismatched: pl.DataFrame
    units: pl.DataFrame
    declarations: pl.DataFrame
    adjustments: pl.DataFrame
    named: pl.DataFrame

    @property
    def wanted(self) -> pl.DataFrame:
        """The statements to compute, with their terms."""
        return self.statements.filter(pl.col("statement_id").is_in(self.chosen.implode()))
