-- What one declaration is worth under each contract, by type and band, exactly, with what it is made of.
--
--   unit_fee = proportion (the type's share of the output fee) × ratio (the output part of the fee) × fee
--
-- Under an `ecf` contract ECTs and mentors count together (`all`); else ECTs by band, and mentors at a flat rate, which has
-- no band and no ratio.
-- In:  contracts (contract_id, contract_type, mentor_fee_per_declaration), bands, proportions
-- Out: contract_id, counted_as, declaration_type, band, proportion, ratio, fee (pounds), unit_fee (pounds, six decimals)
SELECT c.contract_id,
       CASE WHEN c.contract_type = 'ecf' THEN 'all' ELSE 'ect' END AS counted_as,
       f.declaration_type,
       b.band,
       CAST(f.fee_proportion AS DECIMAL(3, 2)) AS proportion,
       CAST(b.output_fee_ratio AS DECIMAL(3, 2)) AS ratio,
       CAST(b.fee_per_declaration AS DECIMAL(12, 2)) AS fee,
       (CAST(f.fee_proportion AS DECIMAL(3, 2)) * CAST(b.output_fee_ratio AS DECIMAL(3, 2))
        * CAST(b.fee_per_declaration AS DECIMAL(12, 2)))::DECIMAL(18, 6) AS unit_fee
FROM contracts c
JOIN proportions f ON f.contract_type = c.contract_type AND f.calculator = 'banded'
JOIN bands b ON b.contract_id = c.contract_id
UNION ALL
SELECT c.contract_id, 'mentor', f.declaration_type, NULL,
       CAST(f.fee_proportion AS DECIMAL(3, 2)), NULL,
       CAST(c.mentor_fee_per_declaration AS DECIMAL(12, 2)),
       (CAST(f.fee_proportion AS DECIMAL(3, 2)) * CAST(c.mentor_fee_per_declaration AS DECIMAL(12, 2)))::DECIMAL(18, 6)
FROM contracts c
JOIN proportions f ON f.contract_type = c.contract_type AND f.calculator = 'flat_rate'
WHERE c.mentor_fee_per_declaration IS NOT NULL
