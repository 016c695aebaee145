"""The grammar's values made into the frozen spec, part by part."""
