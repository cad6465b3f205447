"""Write the migration for what changed in the models.

``python -m dfedge_server.db.revise "Tell what changes"`` compares the models with the tables that
the migrations make so far and writes a file into ``migrations/versions``. Read it before you commit
it: a renamed column looks like one dropped and one added. There is no way down: whoever must go
back restores the backup made before the upgrade.
"""

from __future__ import annotations

import sys

from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from dfedge_server.db.migrate import SCRIPTS, alembic_config, upgrade


def revise(message: str) -> None:
    """Add a migration to ``migrations/versions``, numbered after the last one."""
    number = f"{len(list((SCRIPTS / 'versions').glob('0*.py'))) + 1:04}"
    with create_engine("sqlite://", poolclass=StaticPool).begin() as connection:
        upgrade(connection)
        config = alembic_config(connection)
        config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        command.revision(config, message, autogenerate=True, rev_id=number)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit('usage: python -m dfedge_server.db.revise "Tell what changes"')
    revise(sys.argv[1])
