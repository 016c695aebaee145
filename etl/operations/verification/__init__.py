"""Each flow run in every mode over portions of its inputs, and the tables compared."""
