"""Faults in words: errors of Spark and of user code judged and translated."""
