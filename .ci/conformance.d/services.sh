# What the relay talks to: moto in the place of Secrets Manager, the stand-in in the upstream's.

# No check may reach an account of whoever runs it.
export AWS_ACCESS_KEY_ID=example AWS_SECRET_ACCESS_KEY=example AWS_EC2_METADATA_DISABLED=true
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_PAGER=''
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL OMR_SECRET_ID OMR_BASE_URL OMR_TOKEN_URL OMR_STREAMING OMR_BUCKET OMR_MAX_UPLOAD_MEGABYTES

# A caller's, of the length that API Gateway's keys have, and one that nobody has.
CALLER_KEY=conformance-0123456789-abcdefghijklmnopq
WRONG_KEY=conformance-9876543210-abcdefghijklmnopq

# Where containers reach the host.
gateway() {
  docker network inspect bridge --format '{{(index .IPAM.Config 0).Gateway}}' 2>/dev/null | grep .
}

# start_moto [HOST]
start_moto() {
  local host=${1:-127.0.0.1} port
  port=$(free_port "$host")
  start moto "$CACHE/venv-moto/bin/moto_server" --host "$host" --port "$port"
  await_start 30 moto listening "$host" "$port"
  export AWS_ENDPOINT_URL=http://$host:$port
  cat >"$WORK/moto.env" <<-END
	AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL
	MOTO_IN_CONTAINER=http://host.docker.internal:$port
	SECRET_ARN=$(aws secretsmanager create-secret --name conformance/aspose \
    --secret-string '{"client_id":"conformance","client_secret":"a+b&c=d%e/é"}' --query ARN --output text)
	END
}

build_standin() {
  go vet ./.ci/conformance.d/standin # which ./... leaves out
  go build -o "$RUN/bin/standin" ./.ci/conformance.d/standin
}

# start_standin [HOST]: of its TLS address.
start_standin() {
  start standin "$RUN/bin/standin" -tls "${1:-127.0.0.1}:0" -ca "$WORK/ca.pem"
  await_start 10 standin grep -q STANDIN_CONTROL "$WORK/standin.out"
}

# use_services: the addresses of its lane's, for the check that calls it.
use_services() {
  local file
  set -a
  for file in "$WORK"/{moto.env,standin.out}; do
    # shellcheck source=/dev/null
    [[ ! -e $file ]] || . "$file"
  done
  set +a
}

calls_so_far() { curl -sS "$STANDIN_CONTROL/arrived" | sed 's/.*"calls":\([0-9]*\).*/\1/'; }

aws() { "$CACHE/venv-aws/bin/aws" "$@"; }
