#!/bin/sh
# Redis with one user, who may touch Darkroom's and arq's keys and run nothing that reads or changes the server.
# The password comes from a file and is handed on as its hash, so that it stands in no process list.
set -eu
hash="$(printf %s "$(cat "${REDIS_PASSWORD_FILE:-/run/secrets/redis_password}")" | sha256sum | cut -d ' ' -f 1)"
folder="${REDIS_RUN_FOLDER:-/run/darkroom}"
umask 077
cat > "$folder/users.acl" <<ACL
user default off
user darkroom on #$hash ~darkroom:* ~arq:* resetchannels -@all +@read +@write +@transaction -@dangerous -@scripting +info +bgrewriteaof +auth +hello +ping +select +client|setinfo +client|setname
user health on nopass -@all +ping
ACL
exec redis-server --aclfile "$folder/users.acl" \
  --appendonly yes --appendfsync everysec --save '' --dir "${REDIS_DATA_FOLDER:-/data}" \
  --maxmemory-policy noeviction --protected-mode no "$@"
