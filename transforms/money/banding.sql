-- Which declaration sits in which band, and what it is worth, exactly.
--
-- Why: transforms/README.md, Bands. Source: RECT app/services/payment_calculator/banded/band_allocator.rb. The four steps, which add
-- and remove units band by band, have a closed form: units always fill the bands from the bottom without a gap, so it is
-- enough to know how high they reach.
--
--   filled  = max(min(billed before, all capacity) - refunded before, 0)      steps 1 and 2
--   reached = min(filled + billed now, all capacity)                          step 3
--   a billable declaration takes the next place above `filled`; past all capacity it is worth nothing
--   a refund gives back the topmost place below `reached`; when none is left it is worth nothing
--
-- In:  statements (statement_id, lead_provider_id, contract_period, contract_type, contract_id, payment_date,
--      mentor_fee_per_declaration), chosen (statement_id), units, bands, proportions, prices (prices.sql), entries (row,
--      statement_id, line_type, participant_type, declaration_type, declaration_date, created_at, declaration_id)
-- Out: row, position, band; what it is worth and what that is made of: proportion, ratio, fee, unit_fee (0 when dropped);
--      nothing_because (why it is worth nothing: over-volume, nothing-left of what was billed to give back, no-price: such a
--      statement is held back)
WITH before AS (
    SELECT now.statement_id, u.counted_as, u.declaration_type,
           SUM(u.billed) AS billed_before, SUM(u.refunded) AS refunded_before
    FROM statements now
    JOIN chosen USING (statement_id)
    JOIN statements earlier
      ON earlier.lead_provider_id = now.lead_provider_id AND earlier.contract_period = now.contract_period
     AND earlier.payment_date < now.payment_date
    JOIN units u ON u.statement_id = earlier.statement_id
    GROUP BY ALL
),
capacity AS (
    SELECT contract_id, SUM(capacity)::BIGINT AS capacity FROM bands GROUP BY contract_id
),
places AS (
    SELECT contract_id, band,
           SUM(capacity) OVER ladder - capacity + 1 AS first, SUM(capacity) OVER ladder AS last
    FROM bands WINDOW ladder AS (PARTITION BY contract_id ORDER BY band)
),
counted AS (
    SELECT e.*, s.contract_id, s.contract_type, s.mentor_fee_per_declaration,
           CASE WHEN s.contract_type = 'ecf' THEN 'all' ELSE e.participant_type END AS counted_as,
           CASE WHEN s.contract_type = 'ecf' OR e.participant_type = 'ect' THEN 'banded' ELSE 'flat_rate' END AS calculator
    FROM entries e JOIN statements s USING (statement_id)
    WHERE e.line_type <> 'voided'
),
ordered AS (
    SELECT *,
           ROW_NUMBER() OVER (
               PARTITION BY statement_id, line_type, counted_as, declaration_type
               ORDER BY declaration_date, created_at, declaration_id
           ) AS turn,
           COUNT(*) FILTER (WHERE line_type = 'output')
               OVER (PARTITION BY statement_id, counted_as, declaration_type) AS billed_now
    FROM counted
),
reaching AS (
    SELECT o.*,
           GREATEST(LEAST(COALESCE(b.billed_before, 0), c.capacity) - COALESCE(b.refunded_before, 0), 0) AS filled,
           c.capacity
    FROM ordered o
    LEFT JOIN capacity c USING (contract_id)
    LEFT JOIN before b USING (statement_id, counted_as, declaration_type)
),
positioned AS (
    SELECT *,
           CASE WHEN line_type = 'output' THEN filled + turn
                ELSE LEAST(filled + billed_now, capacity) - turn + 1 END::BIGINT AS position
    FROM reaching
)
SELECT p.row,
       CASE WHEN p.calculator = 'banded' THEN p.position END AS position,
       CASE WHEN p.calculator = 'banded' THEN l.band END AS band,
       u.proportion,
       u.ratio,
       u.fee,
       COALESCE(u.unit_fee, 0) AS unit_fee,
       CASE WHEN f.fee_proportion IS NULL THEN 'no-price'
            WHEN p.calculator = 'flat_rate' AND p.mentor_fee_per_declaration IS NULL THEN 'no-price'
            WHEN p.calculator = 'banded' AND p.capacity IS NULL THEN 'no-price'
            WHEN p.calculator = 'banded' AND l.band IS NULL AND p.line_type = 'output' THEN 'over-volume'
            WHEN p.calculator = 'banded' AND l.band IS NULL THEN 'nothing-left'
       END AS nothing_because
FROM positioned p
LEFT JOIN places l
       ON p.calculator = 'banded' AND l.contract_id = p.contract_id AND p.position BETWEEN l.first AND l.last
LEFT JOIN proportions f
       ON f.contract_type = p.contract_type AND f.calculator = p.calculator AND f.declaration_type = p.declaration_type
LEFT JOIN prices u
       ON u.contract_id = p.contract_id AND u.counted_as = p.counted_as AND u.declaration_type = p.declaration_type
      AND u.band IS NOT DISTINCT FROM l.band
ORDER BY p.row
