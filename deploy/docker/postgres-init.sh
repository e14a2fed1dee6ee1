#!/usr/bin/env bash
# Runs once, in a new cluster: creates the owner of the database and a read-only login for Grafana.
set -euo pipefail

writer="$(cat /run/secrets/postgres_writer_password)"
reader="$(cat /run/secrets/grafana_postgres_password)"
export writer reader

# the passwords come from the environment, so that they do not show up in the process list
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres << 'SQL'
\getenv writer writer
\getenv reader reader
create role tagpulse login createrole password :'writer';
create role tagpulse_reader;
create role grafana login password :'reader' in role tagpulse_reader;
create database tagpulse owner tagpulse;
revoke connect, temporary on database tagpulse from public;
grant connect on database tagpulse to tagpulse_reader;
SQL
