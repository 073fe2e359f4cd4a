"""The schema of jackdaw.db: every part's migrations, in the order of their numbers."""

from __future__ import annotations

from desktop.service.chat_rows import CHATS_MIGRATIONS
from desktop.service.job_rows import JOBS_MIGRATION
from desktop.service.keys import KEYS_MIGRATION
from engine.fit_speed import SPEEDS_MIGRATION
from engine.model_options import MODEL_OPTIONS_MIGRATION
from models.adapters.library import ADAPTERS_MIGRATION
from models.library import LIBRARY_MIGRATIONS
from models.measure.store import MEASUREMENTS_MIGRATION
from models.stores.hashes import FILE_HASHES_MIGRATION

MIGRATIONS = tuple(
    sorted(
        (
            *LIBRARY_MIGRATIONS,
            *CHATS_MIGRATIONS,
            KEYS_MIGRATION,
            JOBS_MIGRATION,
            MODEL_OPTIONS_MIGRATION,
            FILE_HASHES_MIGRATION,
            SPEEDS_MIGRATION,
            MEASUREMENTS_MIGRATION,
            ADAPTERS_MIGRATION,
        ),
        key=lambda migration: migration.number,
    )
)
