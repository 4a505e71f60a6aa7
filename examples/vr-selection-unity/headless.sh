#!/usr/bin/env bash
# Compiles the headless participant with Mono, and lets it take part: ./headless.sh URL PARTICIPANT [SPEED]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
core=$here/../../clients/unity/Runtime/Core
json=${NEWTONSOFT:-/usr/lib/cli/Newtonsoft.Json-5.0/Newtonsoft.Json.dll}
if [[ ! -e $json ]] || ! command -v mcs >/dev/null; then
  echo "this needs Mono and Newtonsoft's JSON: sudo apt install mono-mcs mono-runtime" \
    "libmono-system-net-http4.0-cil libnewtonsoft-json5.0-cil" >&2
  exit 1
fi
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
cp "$json" "$built"
mcs -out:"$built/headless.exe" -r:System.Net.Http.dll -r:"$json" "$core"/*.cs "$core"/*/*.cs \
  "$here"/Assets/Scripts/SelectionTask.cs "$here"/Headless/Program.cs
mono "$built/headless.exe" "$@"
