"""Metrics, one file a task with `run(embedder, data) -> Result`, and the report."""
