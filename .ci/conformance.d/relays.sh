# The relay without containers, and the calls that every way of running it must serve.

# start_cmd_local: cmd/local over HTTP on moto and the stand-in.
start_cmd_local() {
  use_services
  local port
  port=$(free_port)
  go build -o "$WORK/bin/local" ./cmd/local
  OMR_SECRET_ID=$SECRET_ARN OMR_BASE_URL=$STANDIN_HTTP start cmd-local "$WORK/bin/local" start-api --port "$port"
  await_start 10 cmd-local listening 127.0.0.1 "$port"
  echo "http://127.0.0.1:$port" >"$WORK/cmd-local.url"
}

# start_keyed: cmd/local behind the caller's key, for pages of one origin as well.
start_keyed() {
  use_services
  local port
  port=$(free_port)
  OMR_SECRET_ID=$SECRET_ARN OMR_BASE_URL=$STANDIN_HTTP OMR_ALLOW_ORIGIN=https://forms.example.org \
    start keyed "$WORK/bin/local" start-api --port "$port" --api-key another-0123456789-of-nobody --api-key "$CALLER_KEY"
  await_start 10 keyed listening 127.0.0.1 "$port"
  echo "http://127.0.0.1:$port" >"$WORK/keyed.url"
}

# no_key RELAY: what it answers to a call without a key.
no_key() {
  curl -sS -i "$(<"$WORK/$1.url")/healthz" | tr -d '\r' >"$WORK/no-key"
  head -1 "$WORK/no-key" | grep -x 'HTTP/1.1 401 Unauthorized'
  grep -x 'Www-Authenticate: Bearer realm="omr-relay"' "$WORK/no-key"
  tail -1 "$WORK/no-key" | jq -e '.title == "Unauthorized" and .code == "UNAUTHORIZED"'
}

# no_key_shown RELAY: not in the log, which names the caller.
no_key_shown() {
  grep -q '"api_key_id":"local-key-2"' "$WORK/$1.log"
  ! grep -Fq -e "$CALLER_KEY" -e "$WRONG_KEY" "$WORK/$1.log"
}

# start_rie NAME [streaming]: the built function under the bare emulator. AWS_LAMBDA_FUNCTION_TIMEOUT is the template's.
start_rie() {
  use_services
  local port api
  port=$(free_port)
  api=$(free_port)
  AWS_ENDPOINT_URL_SECRETS_MANAGER=$AWS_ENDPOINT_URL OMR_SECRET_ID=$SECRET_ARN OMR_BASE_URL=$STANDIN_HTTP \
    OMR_STREAMING=${2:+true} AWS_REGION=us-east-1 AWS_LAMBDA_FUNCTION_TIMEOUT=25 \
    start "$1" "$(rie_binary)" --runtime-interface-emulator-address "127.0.0.1:$port" \
    --runtime-api-address "127.0.0.1:$api" "$RUN/build-x86_64/RelayFunction/bootstrap"
  await_start 10 "$1" listening 127.0.0.1 "$port"
  echo "http://127.0.0.1:$port/2015-03-31/functions/function/invocations${2:+#$2}" >"$WORK/$1.url"
}

# stop_gently NAME: it must end by itself when told to.
stop_gently() {
  local pid
  pid=$(<"$WORK/pids/$1")
  kill "$pid"
  await 20 gone "$pid"
  rm "$WORK/pids/$1"
}

# call CASE RELAY: RELAY is sam-api, rie, rie-streaming or cmd-local.
call() {
  use_services
  python3 "$PARTS/calls.py" "$1" "$(<"$WORK/$2.url")"
}

# one_call CASE RELAY [KEY]: from scans to answers. Tasks are ready before they are asked for, so that each is asked for once.
one_call() { one_call_at "$1" "$(<"$WORK/$2.url")" "${@:3}"; }

# one_call_at CASE URL [KEY]
one_call_at() {
  use_services
  ready_by 1
  local verdict=0
  python3 "$PARTS/one_call.py" "$@" || verdict=$?
  ready_by 0
  return "$verdict"
}

# ready_by MILLISECONDS: so old, new tasks of the stand-in are ready at the latest; 0: by their polls alone.
ready_by() { curl -sS -X POST -d "{\"milliseconds\": $1}" "$STANDIN_CONTROL/ready-by"; }

rie_scheduled() {
  scheduled_event >"$WORK/scheduled.json"
  post_event rie "$WORK/scheduled.json" >"$WORK/response.json"
  python3 "$PARTS/calls.py" scheduled "$WORK/response.json"
}

# rie_fixtures RELAY [streaming]
rie_fixtures() {
  use_services
  local event calls
  for event in events/*.json; do
    echo "$event"
    calls=$(calls_so_far)
    post_event "$1" "$event" >"$WORK/response.json"
    python3 "$PARTS/fixtures.py" "$event" "$WORK/response.json" "$calls" "${@:2}"
  done
}

# post_event RELAY FILE
post_event() { curl -sS --max-time 60 --data-binary "@$2" "$(<"$WORK/$1.url")"; }

# The SDKs take RELAY KEY [refused].
sdk_v5() {
  use_services
  "$CACHE/venv-sdk-v5/bin/python" "$PARTS/sdk_v5.py" "$(<"$WORK/$1.url")" "${@:2}"
}

# It says that its TLS library is deprecated.
sdk_v3() {
  use_services
  "$CACHE/venv-sdk-v3/bin/python" -W ignore "$PARTS/sdk_v3.py" "$(<"$WORK/$1.url")" "$2" "$WORK/sdk-v3-$1${3:+-$3}" "${@:3}"
}

# sdk_shape SDK RELAY KEY [refused]
sdk_shape() {
  use_services
  python3 "$PARTS/sdk_shapes.py" "$1" "$(<"$WORK/$2.url")" "${@:3}"
}

rotate_secret() {
  use_services
  python3 "$PARTS/rotation.py" "$(<"$WORK/cmd-local.url")" "$CACHE/venv-aws/bin/aws"
}
