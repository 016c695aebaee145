"""SQL judged as text: its characters, its syntax, and what of it differs from run to run."""
