"""What is due: bands, fees, VAT, pence, shares, and why it is not what was expected."""
