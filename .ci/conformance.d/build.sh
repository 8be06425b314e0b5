build_for() {
  sam build --build-dir "$WORK/build-$1" --parameter-overrides "Architecture=$1"
  [[ "$(ls -A "$WORK/build-$1/RelayFunction")" == bootstrap ]] || {
    echo "the artifact holds more than bootstrap:"
    ls -lA "$WORK/build-$1/RelayFunction"
    return 1
  }
}

build_inspect() { python3 "$PARTS/binary.py" "$1" "$WORK/build-$1/RelayFunction/bootstrap"; }

# Compiled from scratch, so that nothing of the first build can be in the second.
build_again() {
  local copy="$WORK/elsewhere" architecture
  mkdir "$copy"
  tar -c --exclude=.git --exclude=.aws-sam . | tar -x -C "$copy"
  for architecture in x86_64 arm64; do
    (
      cd "$copy"
      export GOCACHE=$WORK/gocache GOFLAGS=-buildvcs=auto GOAMD64=v3 GOARM64=v8.2 CGO_ENABLED=1
      sam build RelayFunction --build-dir "$copy/out/$architecture" --parameter-overrides "Architecture=$architecture"
    )
    cmp "$WORK/build-$architecture/RelayFunction/bootstrap" "$copy/out/$architecture/RelayFunction/bootstrap"
  done
}
