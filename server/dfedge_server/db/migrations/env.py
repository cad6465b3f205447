"""How alembic runs the files in ``versions``; called by its commands with an open connection."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from dfedge_server.db.migrate import comparison

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    **comparison(),
    transactional_ddl=True,  # SQLite's too: the engine begins transactions, not the driver
    render_as_batch=connection.dialect.name == "sqlite",
    user_module_prefix="advanced_alchemy.types.",
)
with context.begin_transaction():
    context.run_migrations()
