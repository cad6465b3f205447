#!/bin/sh
# Make the passwords that compose.yaml hands to its services. What is there already stays.
set -eu
cd "$(dirname "$0")"
mkdir -p bundles secrets
# Only the owner may enter the folder; the services run as other users, so the files themselves
# must be readable.
chmod 700 secrets

random() {
    head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n'
}

keep() { # NAME VALUE
    if [ ! -e "secrets/$1" ]; then
        printf '%s\n' "$2" >"secrets/$1.new"
        chmod 444 "secrets/$1.new"
        mv "secrets/$1.new" "secrets/$1"
    fi
}

keep postgres_password "$(random)"
keep dfedge_server_database_url \
    "postgresql+psycopg://dfedge:$(cat secrets/postgres_password)@db/dfedge"
keep dfedge_server_webhook_secret "whsec_$(head -c 32 /dev/urandom | base64)"
keep dfedge_server_s3_access_key_id dfedge
keep dfedge_server_s3_secret_access_key "$(random)"
keep seaweedfs_s3 "$(
    cat <<JSON
{
  "identities": [
    {
      "name": "dfedge",
      "credentials": [
        {
          "accessKey": "$(cat secrets/dfedge_server_s3_access_key_id)",
          "secretKey": "$(cat secrets/dfedge_server_s3_secret_access_key)"
        }
      ],
      "actions": ["Admin", "Read", "Write", "List"]
    }
  ]
}
JSON
)"
