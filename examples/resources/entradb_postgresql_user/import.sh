terraform import entradb_postgresql_user.app '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/data-platform/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg-data|app'
