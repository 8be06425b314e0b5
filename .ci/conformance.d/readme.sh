readme_known() { python3 "$PARTS/readme.py" known; }

# readme_block NAME: in the PATH of whoever runs this, or Go would know no result of a test from before.
readme_block() {
  local alone=()
  # The README names a port.
  if [[ $1 == serve ]] && unshare --net true 2>/dev/null; then
    alone=(unshare --net env OWN_NETWORK=1)
  fi
  "${alone[@]}" python3 "$PARTS/readme.py" run "$1"
}
