readme_known() { python3 "$PARTS/readme.py" known; }

# readme_block NAME: with the SAM CLI where a user has it, and the relay that is behind a key.
readme_block() {
  local alone=()
  # The README names a port.
  if [[ $1 == serve ]] && unshare --net true 2>/dev/null; then
    alone=(unshare --net env OWN_NETWORK=1)
  fi
  mkdir -p "$WORK/tools"
  ln -sf "$CACHE/venv-aws/bin/aws" "$CACHE/venv-sam/bin/sam" "$WORK/tools"
  use_services
  KEY=$CALLER_KEY URL=$(<"$WORK/keyed.url") PATH=$WORK/tools:$PATH "${alone[@]}" python3 "$PARTS/readme.py" run "$1"
}
