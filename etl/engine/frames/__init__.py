"""Small tools over DataFrames that know nothing of pipelines."""
