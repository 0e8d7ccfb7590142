#!/bin/bash
# The health check of the image: well when every service that runs in the container says at /readyz that it can do its
# job. Which ones run is read from the processes, where each listens from its …_SERVICE_ADDR, as the service reads it.
# bash speaks TCP, so the image needs no HTTP client.

ready() { # address
  local host=${1%:*} port=${1##*:} status
  host=${host#[} host=${host%]}
  case $host in 0.0.0.0) host=127.0.0.1 ;; ::) host=::1 ;; esac
  exec 3<>"/dev/tcp/$host/$port" || return
  printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
  read -r _ status _ <&3
  exec 3>&-
  [[ $status == 200 ]] || { echo "$1 answers /readyz with '$status'"; return 1; }
}

asked=0
ask() { asked=$((asked + 1)); ready "$1" || exit 1; }

for process in "${PROC:-/proc}"/[0-9]*; do
  mapfile -d '' -t words 2>/dev/null <"$process/cmdline" || continue
  case ${words[0]##*/} in
    api-service) ask "$API_SERVICE_ADDR" ;;
    traffic-service) ask "$TRAFFIC_SERVICE_ADDR" ;;
    postback-service) ask "$POSTBACK_SERVICE_ADDR" ;;
    tfx) [[ ${words[1]} != up ]] || for address in "$API_SERVICE_ADDR" "$TRAFFIC_SERVICE_ADDR" "$POSTBACK_SERVICE_ADDR"; do ask "$address"; done ;;
  esac
done
((asked)) || { echo 'no service runs here'; exit 1; }
