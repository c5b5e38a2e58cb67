#!/bin/sh
# Starts Hypha's agent, and goes back to the one before where a new one does not do.
#
#   hypha-agent-start NODE HOME
#
#   NODE  the Node that runs the agent: /opt/hypha/runtime/DIGEST/bin/node
#   HOME  the agent's folder: /var/lib/hypha-agent. In it:
#     agent/slots/DIGEST/main.js  programs, each named by the SHA-256 of its archive
#     agent/current               "DIGEST": the program that is started
#     agent/previous              "DIGEST": the one that is started where that is gone
#     agent/trial                 "DIGEST TRIES": the one that is started in its place, so many times at most
#     agent/reverted              "DIGEST CODE WORDS": written here when a trial is given up
#     run/alive                   the agent changes it every ten seconds
#
#   HYPHA_WATCHDOG_S   an agent that changes nothing for so many seconds is killed (60)
#
# No release ever replaces this file: it knows nothing of what it starts but these names. The agent ends its own trial (it writes `current` and
# removes `trial`), and says with exit code 75 that it is to be started again at once. Under systemd an agent that fails ends
# this script with its exit code; without, it is started again after a wait. It takes sh, cat, mv, rm, sleep and sync, and setsid where there is one.

node=${1:?usage: hypha-agent-start NODE HOME}
home=${2:?usage: hypha-agent-start NODE HOME}
patience=${HYPHA_WATCHDOG_S:-60}
agent=$home/agent
wait_s=1

say() { echo "hypha-agent-start: $*" >&2; }

# put FILE LINE: whatever happens, the file has the old line or the new one.
put() { echo "$2" >"$agent/$1.put" && sync && mv "$agent/$1.put" "$agent/$1" && sync; }

# Sets `slot` to the first word of a file and `rest` to the others; fails unless there is such a program.
choose() {
  slot='' rest=''
  [ -r "$agent/$1" ] && read -r slot rest <"$agent/$1"
  [ -n "$slot" ] && [ -r "$agent/slots/$slot/main.js" ]
}

# give_up WORDS: the one on trial is not tried again.
give_up() {
  say "goes back to the program before: the new one $*"
  put reverted "$slot trial-died The new agent $*"
  rm -f "$agent/trial" && sync
}

# Kills the agent, and what it has started, when it has given no sign of life for too long.
watch() {
  last='' still=0
  while sleep "$pause" >/dev/null 2>&1; do
    now=$(cat "$home/run/alive" 2>/dev/null)
    still=$((still + pause))
    [ "$now" = "$last" ] || still=0
    last=$now
    [ "$still" -lt "$patience" ] && continue
    say "the agent gave no sign of life for $patience s: it is killed"
    kill -9 "$group$1"
    return
  done
}

# Runs the program in `slot` to its end; sets `code`.
run() {
  HYPHA_AGENT_SLOT=$slot $session "$node" "$agent/slots/$slot/main.js" run --home "$home" &
  child=$!
  watch "$child" &
  watcher=$!
  [ -z "$ending" ] || kill -TERM "$child" 2>/dev/null
  # A signal ends `wait` before the agent ends.
  while signalled='' && wait "$child"; code=$?; [ -n "$signalled" ]; do :; done
  kill "$watcher" 2>/dev/null
  wait "$watcher" 2>/dev/null
}

# A session of its own is also a group of processes, which ends as one.
session='' group=''
if command -v setsid >/dev/null; then session=setsid group=-; fi
pause=$((patience / 12)) && [ "$pause" -ge 1 ] || pause=1
ending='' signalled='' child=''
end() { ending=1 signalled=1; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null; }
trap end TERM INT HUP

while [ -z "$ending" ]; do
  # What is on trial, while it has tries left and they can be counted; else what is current.
  trial='' tries=''
  if choose trial; then
    trial=$slot tries=${rest%%[!0-9]*}
    if choose current && [ "$slot" = "$trial" ]; then
      trial='' && rm -f "$agent/trial"
    elif slot=$trial && [ "${tries:-0}" -lt 1 ]; then
      give_up "${why:-was tried as often as it may be}"
      trial=''
    else
      put trial "$trial $((tries - 1))" || trial=''
    fi
  elif [ -n "$slot" ]; then
    give_up "is not there"
  fi
  if [ -z "$trial" ] && ! choose current && ! choose previous; then
    say "there is no program: $agent/current names none"
    exit 78
  fi

  run
  if [ -n "$ending" ]; then
    # Ended from outside: that was no try.
    [ -z "$trial" ] || [ ! -e "$agent/trial" ] || put trial "$trial $tries"
    exit "$code"
  fi
  why="ended with exit code $code"
  [ "$code" -ne 137 ] || why="was killed: it gave no sign of life, or took too much memory"
  if [ "$code" -eq 75 ]; then
    wait_s=1
  elif [ -n "$trial" ]; then
    say "the new program $why"
  elif [ "$code" -eq 0 ] && [ ! -e "$home/identity" ]; then
    # It has left its fleet.
    exit 0
  elif [ -n "$INVOCATION_ID" ]; then
    exit "$code"
  else
    say "the agent $why; it is started again in $wait_s s"
    sleep "$wait_s" >/dev/null 2>&1 &
    wait $!
    wait_s=$((wait_s < 30 ? wait_s * 2 : 60))
  fi
done
