"""Fine-tuning jobs: one durable pipeline from examples to a version, whoever asked for it.

validate → queue → train → number → evaluate → gate → register. Each step is written down before it begins and
when it is done, and is taken up again after a kill.
"""

from adapters.jobs.job import Job, NewJob, Status, Step
from adapters.jobs.pipeline import Pipeline, Surroundings
from adapters.jobs.store import Jobs
from adapters.jobs.worker import Worker

__all__ = ["Job", "Jobs", "NewJob", "Pipeline", "Status", "Step", "Surroundings", "Worker"]
