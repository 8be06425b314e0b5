# The engine that is running, or one started for the checks and stopped after them.
docker info >/dev/null 2>&1 || export DOCKER_HOST=unix://$WORK/docker/sock

start_docker() {
  docker info >/dev/null 2>&1 && return
  type -p dockerd containerd docker iptables >/dev/null || install_packages docker.io iptables
  mkdir -p "$WORK/docker"
  dockerd --data-root "$WORK/docker/data" --exec-root "$WORK/docker/exec" --pidfile "$WORK/docker/pid" \
    --host "unix://$WORK/docker/sock" --ip 127.0.0.1 >"$WORK/docker/log" 2>&1 &
  local i
  for ((i = 0; i < 60; i++)); do
    docker info >/dev/null 2>&1 && return
    sleep 0.5
  done
  tail -20 "$WORK/docker/log"
  return 1
}

stop_docker() {
  local pid
  pid=$(cat "$WORK/docker/pid" 2>/dev/null) || return 0
  kill "$pid"
  local i
  for ((i = 0; i < 100; i++)); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.2
  done
  kill -KILL "$pid"
}

# What SAM would pull, made of the emulator that its wheel ships: nothing else is needed to run a static binary.
import_runtime_image() {
  local image=$WORK/image rie
  rie=$(echo "$CACHE"/venv-sam/lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64)
  mkdir -p "$image"/{etc/ssl/certs,opt,tmp,var/{rapid,runtime,task}}
  chmod 1777 "$image/tmp"
  install -m 755 "$rie" "$image/var/rapid/aws-lambda-rie"
  tar -C "$image" -c . | docker import --change 'WORKDIR /var/task' \
    --change 'ENTRYPOINT ["/var/rapid/aws-lambda-rie"]' - \
    public.ecr.aws/lambda/provided:al2023-rapid-x86_64
}
