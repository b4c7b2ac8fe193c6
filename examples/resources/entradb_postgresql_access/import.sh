# The server (as in `server`), the database and the grantee; a `|` inside a name is written `%7C`, a `%` is written `%25`.
terraform import entradb_postgresql_access.app 'pg-data.postgres.database.azure.com|openmetadata_db|openmetadata'
