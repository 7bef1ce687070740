"""Every feature's tables, in one place for the migrations and their test."""

from sqlalchemy import MetaData

from actions.tables import metadata as actions_metadata
from adapters.evaluation.tables import metadata as evaluation_metadata
from adapters.jobs.tables import metadata as jobs_metadata
from adapters.tables import metadata as adapters_metadata
from retrieval.tables import metadata as retrieval_metadata
from server.feedback.tables import metadata as feedback_metadata
from server.files.tables import metadata as files_metadata
from server.hooks.tables import metadata as hooks_metadata
from server.keys.tables import metadata as keys_metadata
from server.transcripts.tables import metadata as transcripts_metadata
from server.turn.reported import metadata as turn_metadata
from server.usage.tables import metadata as usage_metadata

ALL: tuple[MetaData, ...] = (
    retrieval_metadata,
    adapters_metadata,
    evaluation_metadata,
    actions_metadata,
    keys_metadata,
    turn_metadata,
    usage_metadata,
    transcripts_metadata,
    files_metadata,
    hooks_metadata,
    jobs_metadata,
    feedback_metadata,
)
