"""The driver's JVM and its Spark session: the only wing that touches the JVM."""
