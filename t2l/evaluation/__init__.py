"""Whether a description makes the model do the task."""
