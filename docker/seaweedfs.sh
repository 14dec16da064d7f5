#!/bin/sh
# SeaweedFS as an S3 server for Darkroom's blobs: one identity, whose keys come from files.
set -eu
umask 077
cat > /run/darkroom/s3.json <<JSON
{"identities": [{"name": "darkroom",
  "credentials": [{"accessKey": "$(cat /run/secrets/aws_access_key_id)", "secretKey": "$(cat /run/secrets/aws_secret_access_key)"}],
  "actions": ["Read", "Write", "List", "Tagging", "Admin"]}]}
JSON
exec weed server -dir=/data -s3 -s3.port=8333 -s3.config=/run/darkroom/s3.json -volume.max=0 -master.volumeSizeLimitMB=1024
