"""All that makes commits of Delta, each once and under its stamp."""
