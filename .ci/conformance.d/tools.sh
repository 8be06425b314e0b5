# install_venv NAME REQUIREMENT...: a virtual environment of its own, since the tools' pins conflict.
# Made anew when the requirements change or a former run broke off.
install_venv() {
  local venv=$CACHE/venv-$1
  shift
  [[ "$(cat "$venv/.requirements" 2>/dev/null)" == "$*" ]] && return
  mkdir -p "$CACHE"
  rm -rf "$venv"
  python3 -m venv "$venv" || {
    install_packages python3-venv
    python3 -m venv "$venv"
  }
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
  echo "$*" >"$venv/.requirements"
}

# install_sdk NAME REQUIREMENT...: as they stand, and nothing that they merely claim to need.
install_sdk() {
  local name=$1
  shift
  echo "setuptools==$SETUPTOOLS" >"$WORK/constraints"
  PIP_CONSTRAINT=$WORK/constraints install_venv "$name" --no-deps "$@"
}

install_missing() {
  type -p "$@" >/dev/null || install_packages ca-certificates "$@"
}

install_packages() {
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

sam() { "$CACHE/venv-sam/bin/sam" "$@"; }
