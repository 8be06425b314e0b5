# The whole stack, deployed by the documents' own commands on LocalStack.

LOCALSTACK_VERSION=4.9.2

install_cloud() {
  local pins
  mapfile -t pins < <(grep -v '^#' "$PARTS/cloud/requirements.txt")
  printf '%s\n' "${pins[@]}" | grep -qx "localstack-core==$LOCALSTACK_VERSION"
  install_venv cloud "${pins[@]}"
}

# start_cloud: with the stand-in's authority as the only one that functions trust, so that they call nobody else.
start_cloud() {
  use_services
  local port home=$WORK/cloud
  port=$(free_port)
  mkdir -p "$home"/{logs,tmp,user}
  HOME=$home/user TMPDIR=$home/tmp GATEWAY_LISTEN=127.0.0.1:$port LOCALSTACK_HOST=localhost:$port DNS_ADDRESS=0 \
    DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 FUNCTION_LOGS=$home/logs FUNCTION_CA=$WORK/ca.pem \
    start cloud "$CACHE/venv-cloud/bin/python" "$PARTS/cloud/main.py"
  await_start 60 cloud curl -fsS "http://127.0.0.1:$port/_localstack/health"
  # Its certificate is its own, and names as AWS has them end here.
  mkdir -p "$home/curl"
  echo insecure >"$home/curl/.curlrc"
  echo "http://127.0.0.1:$port" >"$WORK/cloud.url"
  cloud_copy
}

# A user's checkout, whose one change is what a user may change: the lists of parameters. The processor is this
# machine's, for here functions run; the upstream is the stand-in.
cloud_copy() {
  local copy=$WORK/checkout
  mkdir "$copy"
  tar -c --exclude=.git --exclude=.aws-sam . | tar -x -C "$copy"
  sed -i "s|^Architecture:.*|Architecture: x86_64|; s|^BaseUrl:.*|BaseUrl: $STANDIN_TLS|" "$copy/.deploy/default.yaml"
}

# cloud STEP [FILE]: one of cloud_steps.py, or of FILE.
cloud() {
  use_services
  mkdir -p "$WORK/tools"
  ln -sf "$CACHE/venv-aws/bin/aws" "$CACHE/venv-sam/bin/sam" "$WORK/tools"
  SAM_CLI_POLL_DELAY=0.2 AWS_ENDPOINT_URL="$(<"$WORK/cloud.url")" CURL_HOME="$WORK/cloud/curl" \
    CHECKOUT="$WORK/checkout" FUNCTION_LOGS="$WORK/cloud/logs" FUNCTION_CA="$WORK/ca.pem" PATH="$WORK/tools:$PATH" "$CACHE/venv-aws/bin/python" "$PARTS/${2:-cloud_steps.py}" "$1" || {
    echo 'the last that LocalStack said:'
    grep -E ' (WARN|ERROR) ' "$WORK/cloud.out" "$WORK/cloud.log" | tail -10
    return 1
  }
}

no_secret_in_cloud_logs() {
  ls "$WORK"/cloud/logs/*RelayFunction* >/dev/null
  ! grep -rFq -e 'first+&' -e 'second+&' -e the-other-secret -e the-batches "$WORK/cloud/logs" "$WORK/cloud.log"
}
