# Processes that outlive the check that starts them; the script's end ends them.

# start NAME PROGRAM ARGUMENT...: the program itself, so that its pid is the one to end.
start() {
  local name=$1
  shift
  mkdir -p "$WORK/pids"
  "$@" >"$WORK/$name.out" 2>"$WORK/$name.log" </dev/null &
  echo $! >"$WORK/pids/$name"
}

# stop NAME: TERM, and KILL when that does not help.
stop() {
  local pid
  pid=$(cat "$WORK/pids/$1" 2>/dev/null) || return 0
  rm "$WORK/pids/$1"
  stop_pid "$pid"
}

stop_pid() {
  kill "$1" 2>/dev/null || return 0
  await 20 gone "$1" || kill -KILL "$1"
}

stop_all() {
  local pid_file
  for pid_file in "$WORK"/pids/*; do
    [[ ! -e $pid_file ]] || stop "${pid_file##*/}"
  done
}

# A zombie is gone: not every container has an init that reaps it.
gone() { [[ ! -e /proc/$1/status ]] || grep -q '^State:[[:space:]]*Z' "/proc/$1/status"; }

# await SECONDS COMMAND...: until the command succeeds.
await() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

# await_start SECONDS NAME COMMAND...: the same for what start began; shows its log if it does not come up.
await_start() {
  local seconds=$1 name=$2 pid
  shift 2
  pid=$(<"$WORK/pids/$name")
  await "$seconds" eval "gone $pid || $*"
  if gone "$pid" || ! "$@" >/dev/null 2>&1; then
    echo "$name did not come up:"
    tail -20 "$WORK/$name.log"
    return 1
  fi
}

# free_port [HOST]
free_port() { python3 "$PARTS/ports.py" "${1:-127.0.0.1}"; }

# listening HOST PORT
listening() { (: <"/dev/tcp/$1/$2") 2>/dev/null; }
