FUNCTIONS=(RelayFunction AuthorizerFunction BatchFunction)

build_for() {
  sam build --build-dir "$RUN/build-$1" --parameter-overrides "Architecture=$1"
  local function
  for function in "${FUNCTIONS[@]}"; do
    [[ "$(ls -A "$RUN/build-$1/$function")" == bootstrap ]] || {
      echo "the artifact holds more than bootstrap:"
      ls -lA "$RUN/build-$1/$function"
      return 1
    }
  done
  if grep -nE '(: |- )[&*][[:alnum:]]+$' "$RUN/build-$1/template.yaml"; then
    echo 'YAML aliases, which CloudFormation refuses'
    return 1
  fi
}

build_inspect() {
  local function
  for function in "${FUNCTIONS[@]}"; do
    python3 "$PARTS/binary.py" "$1" "$function" "$RUN/build-$1/$function/bootstrap"
  done
}

# Compiled from scratch, so that nothing of the first build can be in the second.
build_again() {
  local copy="$WORK/elsewhere" architecture function
  mkdir "$copy"
  tar -c --exclude=.git --exclude=.aws-sam . | tar -x -C "$copy"
  for architecture in x86_64 arm64; do
    (
      cd "$copy" || exit
      export GOCACHE=$WORK/gocache GOFLAGS=-buildvcs=auto GOAMD64=v3 GOARM64=v8.2 CGO_ENABLED=1
      sam build --build-dir "$copy/out/$architecture" --parameter-overrides "Architecture=$architecture"
    )
    for function in "${FUNCTIONS[@]}"; do
      cmp "$RUN/build-$architecture/$function/bootstrap" "$copy/out/$architecture/$function/bootstrap"
    done
  done
}
