#!/usr/bin/env bash
# Creates the secret files of docker-compose.yml, each with its own random value. Existing files are not changed.
# Usage: deploy/docker/make-secrets.sh [FOLDER]    (default: secrets)
set -euo pipefail

folder="${1:-secrets}"
mkdir -p "$folder"
# the users of the containers must be able to read the files, but the folder keeps other users of this machine out
chmod 0700 "$folder"

random() {
    head -c 24 /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_'
}

# secret NAME VALUE
secret() {
    if [[ ! -e "$folder/$1" ]]; then
        printf '%s' "$2" > "$folder/$1"
        echo "$folder/$1: created"
    fi
    chmod 0444 "$folder/$1"
}

secret TAGPULSE_PRIVACY__AUTHOR_KEY "$(random)"
secret postgres_superuser_password "$(random)"
secret postgres_writer_password "$(random)"
secret grafana_postgres_password "$(random)"
secret grafana_admin_password "$(random)"
secret TAGPULSE_POSTGRES__DSN "postgresql://tagpulse:$(cat "$folder/postgres_writer_password")@postgres:5432/tagpulse"
# replace these with real values: see docs/deploy.md
secret shift_webhook_url "https://shift-webhook.invalid/"
secret pager_webhook_url "https://pager-webhook.invalid/"
secret dead_mans_switch_token "none"
