# The server (its ARM ID or its host name), the database and the owner. The schemas in which the owner has something now become `schemas`, and
# `on_destroy` is `keep`. Where the configuration says otherwise, the next apply takes that into the state, and moves only what others still own.
# With `on_destroy = "restore"` set `restore_to` too: who owned what before is not known after an import.
terraform import entradb_postgresql_ownership.app 'pg-data.postgres.database.azure.com|openmetadata_db|openmetadata'
