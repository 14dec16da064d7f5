#!/bin/sh
# Makes the folder `secrets` for docker-compose.yml: asks for the bot's token, and invents the passwords.
# What is there already stays.
set -eu
cd "$(dirname "$0")/.."
umask 077
mkdir -p secrets
invent() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }
[ -s secrets/redis_password ] || invent > secrets/redis_password
[ -s secrets/redis_url ] || printf 'redis://darkroom:%s@redis:6379/0' "$(cat secrets/redis_password)" > secrets/redis_url
[ -s secrets/aws_access_key_id ] || printf darkroom > secrets/aws_access_key_id
[ -s secrets/aws_secret_access_key ] || invent > secrets/aws_secret_access_key
[ -s secrets/grafana_password ] || invent > secrets/grafana_password
if [ ! -s secrets/discord_token ]; then
  printf 'Token of your Discord application'"'"'s bot: ' >&2
  stty -echo 2>/dev/null || true
  IFS= read -r token
  stty echo 2>/dev/null || true
  [ -n "$token" ] || { echo 'No token was given: run this again.' >&2; exit 2; }
  printf %s "$token" > secrets/discord_token
fi
# the folder is closed to everybody else; in the containers another user reads the files
chmod 644 secrets/*
echo 'secrets/ is ready: docker compose up -d' >&2
