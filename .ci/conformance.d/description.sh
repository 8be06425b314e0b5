# description_kept RELAY: schemathesis makes requests of the description that the relay serves, and judges what comes back by it.
# One worker: the parser that Hypothesis uses does not bear two in every version of Python.
description_kept() {
  use_services
  local url
  url=$(<"$WORK/$1.url")
  ready_by 300
  mkdir -p "$WORK/description"
  (
    cd "$WORK/description" || exit
    SCHEMATHESIS_HOOKS=description_hooks PYTHONPATH=$PARTS timeout 120 "$CACHE/venv-schemathesis/bin/schemathesis" \
      --config-file "$PARTS/description.toml" run "$url/openapi.json" --url "$url" -H "Authorization: Bearer $CALLER_KEY" \
      --checks all --phases examples,coverage,fuzzing --max-examples 25 --max-time 45 --request-timeout 40 \
      --workers 1 --continue-on-failure --no-color
  )
  ready_by 0
}
