"""`/v1/fine_tuning/jobs`: OpenAI's face of the jobs of `adapters/jobs`, and what runs them beside the requests."""
