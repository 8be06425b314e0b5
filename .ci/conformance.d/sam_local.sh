# sam_local COMMAND ARGUMENT...: the built function in containers that reach moto and the stand-in on their host.
sam_local() {
  use_services
  local command=$1
  shift
  printf '{"RelayFunction": {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "%s"}}' "$MOTO_IN_CONTAINER" >"$WORK/env-vars.json"
  set -- "$CACHE/venv-sam/bin/sam" local "$command" "$@" --template "$RUN/build-x86_64/template.yaml" \
    --config-file "$ROOT/samconfig.toml" \
    --skip-pull-image --add-host "host.docker.internal:$(gateway)" --env-vars "$WORK/env-vars.json" \
    --parameter-overrides "Architecture=x86_64 SecretArn=$SECRET_ARN BaseUrl=$STANDIN_HTTPS ${SAM_PARAMETER:-}"
  ${SAM_RUNS_IN:-} "$@"
}

# invoke_fixture FILE [streaming]: one run of sam local invoke, its output against what the fixture is for.
# samconfig.toml says which function is meant.
invoke_fixture() {
  use_services
  local calls
  calls=$(calls_so_far)
  # An invocation that fails is no failure of the command: the error is its output.
  SAM_PARAMETER=${2:+Streaming=true} sam_local invoke --event "$1" >"$WORK/response.json" 2>"$WORK/invoke.log" || {
    cat "$WORK/invoke.log"
    return 1
  }
  python3 "$PARTS/fixtures.py" "$1" "$WORK/response.json" "$calls" "${@:2}"
}

start_sam_api() {
  local port
  port=$(free_port)
  SAM_RUNS_IN='start sam-api' sam_local start-api --port "$port"
  await_start 60 sam-api listening 127.0.0.1 "$port"
  echo "http://127.0.0.1:$port" >"$WORK/sam-api.url"
}

sam_authorizer() {
  sam_local invoke AuthorizerFunction --event events/authorizer.json >"$WORK/response.json"
  jq -e '.usageIdentifierKey == "example-api-key-of-nobody" and (.policyDocument.Statement | length) == 1
    and .policyDocument.Statement[0] == {Action: "execute-api:Invoke", Effect: "Allow",
      Resource: "arn:aws:execute-api:eu-central-1:123456789012:exampleapi/prod/*"}' "$WORK/response.json"
  sam_local invoke AuthorizerFunction --event events/authorizer-no-key.json >"$WORK/response.json"
  jq -e '.errorMessage == "Unauthorized" and (has("policyDocument") | not)' "$WORK/response.json"
}

# An event as SAM itself writes it.
scheduled_event() { sam local generate-event cloudwatch scheduled-event; }

sam_scheduled() {
  scheduled_event >"$WORK/scheduled.json"
  sam_local invoke RelayFunction --event "$WORK/scheduled.json" >"$WORK/response.json" 2>"$WORK/invoke.log" || {
    cat "$WORK/invoke.log"
    return 1
  }
  python3 "$PARTS/calls.py" scheduled "$WORK/response.json"
}
