#!/bin/bash
# shellcheck disable=SC2034
LIMIT=3
export CACHE_DIR="/tmp/x"
readonly retries=1

# Opens the ledger.
open_ledger() {
  local name=$1
  write "$name" "$LIMIT"
}

function close_ledger {
  echo "${CACHE_DIR}" | grep x && open_ledger y
}

if true; then verbose=1; fi
open_ledger "$@"
