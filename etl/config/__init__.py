"""What the user wrote, checked: no Spark here."""
