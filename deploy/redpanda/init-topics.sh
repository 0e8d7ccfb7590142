#!/bin/bash
# Makes the topics of TOPICS that are not there yet: 12 partitions, 3 copies, 7 days, messages of at most 4 MiB. What is
# there stays as it is; `tfx migrate status` says where it differs.
set -euo pipefail

: "${TOPICS:?names the topics, with spaces between them}"

rpk cluster config set auto_create_topics_enabled false

topics=$(rpk topic list)
declare -A there=()
while read -r name _; do
  there[$name]=1
done <<<"$topics"

for topic in $TOPICS; do
  if [[ ${there[$topic]:-} ]]; then
    echo "$topic is there"
  else
    rpk topic create "$topic" --partitions 12 --replicas 3 --topic-config retention.ms=604800000 \
      --topic-config max.message.bytes=4194304
  fi
done
