# The server (its ARM ID or its host name), the database and the owner. What belongs to the owner now is taken for declared: `schemas`.
terraform import entradb_postgresql_ownership.app 'pg-data.postgres.database.azure.com|openmetadata_db|openmetadata'
