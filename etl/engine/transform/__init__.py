"""From raw rows to judged rows: parsing set apart, the transform, expectations, contracts."""
