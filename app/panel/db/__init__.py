"""The panel's database: one SQLite file, one writing connection, migrations."""
