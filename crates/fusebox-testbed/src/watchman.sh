# Stops the server of the folder $1, a process called $2, when nobody has held `users` for ten seconds.
cd "$1" || exit 1
exec 9>>watch
flock -n 9 || exit 0
idle=0
while sleep 2; do
  exec 8>>gate
  flock -n 8 || continue
  exec 7>>users
  if flock -n 7; then idle=$((idle + 1)); else idle=0; fi
  exec 7>&-
  if [ "$idle" -ge 5 ]; then
    server=$(cat process)
    is_up() { [ "$(cat "/proc/$server/comm" 2>/dev/null)" = "$2" ]; }
    if is_up "$@"; then kill -QUIT "$server"; fi
    while is_up "$@"; do sleep 0.1; done
    rm -rf home port process
    exec 9>&-
    exit 0
  fi
  exec 8>&-
done
