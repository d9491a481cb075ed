"""How cells of a fixed form look, as patterns. Digits are 0 to 9: `\\d` would take those of other scripts, too."""

UUID_ANY_CASE = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
TRN = r"^[0-9]{7}$"
URN = r"^[0-9]{6}$"
MONTH = r"^20[0-9][0-9]-(0[1-9]|1[0-2])$"
MONEY = r"^-?[0-9]{1,9}\.[0-9][0-9]$"
YEAR = r"^20[0-9][0-9]$"
