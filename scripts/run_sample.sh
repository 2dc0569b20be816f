#!/bin/sh
# Serve the sample wrappers/$1 as it stands, with the default config; needs aiges-loader on PATH.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
sample=$1
folder="$root/wrappers/$sample"
[ -f "$folder/wrapper.py" ] || { echo "no sample $sample in $root/wrappers" >&2; exit 2; }
cat <<EOF
Serving $folder on http://127.0.0.1:1888 (Ctrl-C stops). Once it says "ready", try:

  curl -s http://127.0.0.1:1888/test.json | curl -d @- http://127.0.0.1:1888/v1/svcName

EOF
cd "$folder"
exec aiges-loader -m 0 -c "$root/aiges.toml" -s svcName
