"""Programs that measure Twilight against hand-written PySpark, whole processes from start to exit."""
