#!/usr/bin/env bash
# Makes the secret files of docker-compose.yml, each with a value of its own. What is there already stays as it is.
# Usage: deploy/docker/make-secrets.sh [FOLDER]    (default: secrets)
set -euo pipefail

folder="${1:-secrets}"
mkdir -p "$folder"
# the containers' users read the files, and nobody else on this machine reaches them
chmod 0700 "$folder"

random() {
    head -c 24 /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_'
}

# secret NAME VALUE
secret() {
    if [[ ! -e "$folder/$1" ]]; then
        printf '%s' "$2" > "$folder/$1"
        echo "$folder/$1: made"
    fi
    chmod 0444 "$folder/$1"
}

secret TAGPULSE_PRIVACY__AUTHOR_KEY "$(random)"
secret postgres_superuser_password "$(random)"
secret postgres_writer_password "$(random)"
secret grafana_postgres_password "$(random)"
secret grafana_admin_password "$(random)"
secret TAGPULSE_POSTGRES__DSN "postgresql://tagpulse:$(cat "$folder/postgres_writer_password")@postgres:5432/tagpulse"
# to be replaced by real ones: see docs/deploy.md
secret shift_webhook_url "https://shift-webhook.invalid/"
secret pager_webhook_url "https://pager-webhook.invalid/"
secret dead_mans_switch_token "none"
