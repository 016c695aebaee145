"""Bytes, folders and locks under storage, in a file system or a bucket; no Spark."""
