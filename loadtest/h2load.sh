#!/bin/sh
# Drives a Check listener with h2load and fails unless every reply has the size that it must have.
#
#   loadtest/h2load.sh HOST:PORT REQUEST REPLY_BYTES [CALLS] [LOG]
#
# REQUEST is a file with one gRPC message (five bytes of prefix, then a CheckRequest). REPLY_BYTES is the size of the right reply's
# message. h2load counts every HTTP 200 as a success, and a denial, or even a gRPC error, comes with one: the size tells them apart.
# LOG gets one line per call: start, HTTP status, microseconds.
set -eu

if ! command -v h2load >/dev/null; then
  echo "h2load is missing; install it (Debian and Ubuntu: apt-get install nghttp2-client, macOS: brew install nghttp2)" >&2
  exit 3
fi
if [ $# -lt 3 ]; then
  sed -n '2,8p' "$0" >&2
  exit 2
fi
address=$1 request=$2 reply=$3 calls=${4:-20000} log=${5:-/dev/null}

output=$(h2load --requests="$calls" --clients=4 --max-concurrent-streams=8 --threads=1 --log-file="$log" \
  --data="$request" --header='content-type: application/grpc' --header='te: trailers' \
  "http://$address/envoy.service.auth.v3.Authorization/Check")
printf '%s\n' "$output"

succeeded=$(printf '%s\n' "$output" | sed -n 's/^requests: .* \([0-9]*\) succeeded.*/\1/p')
data=$(printf '%s\n' "$output" | sed -n 's/^traffic: .*(\([0-9]*\)) data$/\1/p')
if [ "$succeeded" != "$calls" ]; then
  echo "h2load.sh: $succeeded of $calls calls succeeded" >&2
  exit 1
fi
if [ "$data" != $((calls * (reply + 5))) ]; then
  echo "h2load.sh: $calls replies of $reply bytes make $((calls * (reply + 5))) bytes with their prefixes, and $data came: not every reply is the right one" >&2
  exit 1
fi
