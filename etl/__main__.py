"""`python -m etl` and `spark-submit` of this file are the command `etl`."""

from etl.cli import main

if __name__ == "__main__":
    main()
