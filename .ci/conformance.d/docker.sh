# The engine that is running, or one started for the checks and stopped after them.
docker info >/dev/null 2>&1 || export DOCKER_HOST=unix://$RUN/docker/sock

RUNTIME_IMAGE=public.ecr.aws/lambda/provided:al2023-rapid-x86_64

# Told, for on a fresh data root the engine of Debian 12 names no gateway of a bridge that it chose itself.
BRIDGE=172.17.0.1/16

start_docker() {
  docker info >/dev/null 2>&1 && return
  type -p dockerd containerd docker iptables >/dev/null || install_packages docker.io iptables
  mkdir -p "$RUN/docker"
  dockerd --data-root "$RUN/docker/data" --exec-root "$RUN/docker/exec" --pidfile "$RUN/docker/pid" \
    --host "unix://$RUN/docker/sock" --ip 127.0.0.1 --bip "$BRIDGE" >"$RUN/docker/log" 2>&1 &
  await 30 docker info || {
    tail -20 "$RUN/docker/log"
    return 1
  }
  [[ $(gateway) == "${BRIDGE%/*}" ]]
}

stop_docker() {
  local pid
  if pid=$(cat "$RUN/docker/pid" 2>/dev/null); then
    stop_pid "$pid"
  elif [[ -e $RUN/image ]]; then
    docker image rm "$RUNTIME_IMAGE" >/dev/null 2>&1
  fi
}

rie_binary() { echo "$CACHE"/venv-sam/lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64; }

# What SAM would pull, made of the emulator that its wheel ships: nothing else is needed to run a static
# binary. It trusts the stand-in, for the relay takes http upstreams on loopback alone.
import_runtime_image() {
  local image=$RUN/image
  mkdir -p "$image"/{etc/ssl/certs,opt,tmp,var/{rapid,runtime,task}}
  chmod 1777 "$image/tmp"
  install -m 755 "$(rie_binary)" "$image/var/rapid/aws-lambda-rie"
  cp "$WORK/ca.pem" "$image/etc/ssl/certs/ca-certificates.crt"
  tar -C "$image" -c . | docker import --change 'WORKDIR /var/task' \
    --change 'ENTRYPOINT ["/var/rapid/aws-lambda-rie"]' - "$RUNTIME_IMAGE"
}
