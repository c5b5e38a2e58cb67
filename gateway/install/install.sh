#!/bin/sh
# Installs Hypha's agent on a Debian-like device, joins its fleet and starts it. The gateway filled in what stands between @ signs; the line that
# `hypha invite` printed names the SHA-256 of this file, and this file the SHA-256 of everything that it fetches, so nothing is believed because of where
# it came from. Run again, it repairs or upgrades and keeps who the device is; killed at any moment, run again, it goes on.
#
#   sh install.sh 'hypha://…'           install in /opt/hypha, as root
#   sh install.sh --prefix DIR URL      in a folder of your own, without root, service or user
#   sh install.sh --uninstall [--purge] remove the program; with --purge also the device's keys, data and user
set -eu
umask 022
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

gateway='@GATEWAY@'
# arch:SHA-256 of the compressed file:its bytes:SHA-256 of node:its bytes
runtimes='@RUNTIMES@'
agent='@AGENT@'
agent_bytes='@AGENT_BYTES@'

prefix=/opt/hypha
home=/var/lib/hypha-agent
user=hypha-agent
unit=/etc/systemd/system/hypha-agent.service
command_link=/usr/local/bin/hypha-agent
for_system=yes
action=install
purge=no
url=

say() { printf 'hypha: %s\n' "$*"; }
fail() {
  printf 'hypha: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

read_arguments() {
  while [ $# -gt 0 ]; do
    case $1 in
      --prefix)
        [ $# -gt 1 ] || fail '--prefix needs a folder.'
        case $2 in
          '' | / | *[\'\"\\]*) fail "--prefix can't be \"$2\": give a folder of your own, without quotes in its name." ;;
          /*) prefix=$2 ;;
          *) prefix=$(pwd)/$2 ;;
        esac
        home=$prefix/home
        for_system=no
        shift
        ;;
      --uninstall) action=uninstall ;;
      --purge) purge=yes ;;
      hypha://*) url=$1 ;;
      *) fail "This is no option and no join URL: $1" "Quote the whole URL that hypha invite printed." ;;
    esac
    shift
  done
}

check_machine() {
  [ "$(uname -s)" = Linux ] || fail "This installs on Linux; this is $(uname -s)."
  for tool in curl gzip tar sha256sum df mktemp; do
    command -v "$tool" >/dev/null || fail "The program $tool is missing." "Install it: apt-get install $tool"
  done
  if [ $for_system = yes ] && [ "$(id -u)" != 0 ]; then
    fail 'Installing for the whole device needs root.' 'Run the same line with sudo, or add --prefix DIR for a folder of your own.'
  fi
  if [ $for_system = yes ] && ! command -v setpriv >/dev/null && ! command -v runuser >/dev/null; then
    fail 'There is neither setpriv nor runuser to become another user with: install util-linux.'
  fi
  machine=$(uname -m)
  case $machine in
    x86_64 | amd64) arch=x64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) arch=$machine ;;
  esac
  # A 64-bit kernel may carry a 32-bit system, which has no loader for a 64-bit program.
  if command -v getconf >/dev/null && [ "$(getconf LONG_BIT)" = 32 ]; then arch=$machine-32bit; fi
  runtime=
  offered=
  for each in $runtimes; do
    offered="$offered ${each%%:*}"
    [ "${each%%:*}" = "$arch" ] && runtime=$each
  done
  [ -n "$runtime" ] || fail "The gateway has no Node runtime for $arch; it has:${offered:- none}." \
    "On the gateway: hypha runtime add $arch, then make a new invitation."
  node_file=$(echo "$runtime" | cut -d: -f2)
  node_file_bytes=$(echo "$runtime" | cut -d: -f3)
  node=$(echo "$runtime" | cut -d: -f4)
  node_bytes=$(echo "$runtime" | cut -d: -f5)
  say "this is Linux on $arch"
}

# The nearest folder that is there already has the file system that the new one will be on.
need_space() {
  folder=$1
  while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
  free=$(df -Pk "$folder" | { read -r _; read -r _ _ _ free _; echo "$free"; })
  [ "$free" -ge $(($2 / 1024)) ] || fail "$folder has $((free / 1024)) MB free, this needs $(($2 / 1048576)) MB."
}

# setpriv becomes what it starts; runuser stays beside it, and kills it 2 s after it was itself told to end.
drop_to_user() {
  [ $for_system = yes ] || return 0
  if command -v setpriv >/dev/null; then
    echo "setpriv --reuid=$user --regid=$user --init-groups --"
  else
    echo "runuser -u $user --"
  fi
}

as_user() {
  if [ $for_system = no ]; then "$@"; else $(drop_to_user) "$@"; fi
}

# What this script makes is named by a digest; whatever else lies in a folder that somebody chose is not touched.
has_digest_name() {
  case ${1##*/} in *[!0-9a-f]*) return 1 ;; esac
  each_name=${1##*/}
  [ ${#each_name} = 64 ]
}

remove_files() {
  for each in "$@"; do
    if has_digest_name "${each%/}"; then rm -rf "${each%/}"; fi
  done
}

is_digest() { [ -f "$1" ] && [ "$(sha256sum <"$1")" = "$2  -" ]; }

# A new file beside the old one, which it replaces in one step.
place() {
  cat >"$1.new"
  chmod "$2" "$1.new"
  mv -f "$1.new" "$1"
}

make_user() {
  [ $for_system = yes ] || return 0
  if ! id $user >/dev/null 2>&1; then
    if command -v useradd >/dev/null; then
      useradd --system --user-group --home-dir "$home" --no-create-home --shell /usr/sbin/nologin $user
    elif command -v adduser >/dev/null; then
      adduser -S -D -H -h "$home" -s /sbin/nologin $user
    else
      fail "There is neither useradd nor adduser: make a system user $user, then run this again."
    fi
    say "user $user is made"
  fi
  command -v usermod >/dev/null || return 0
  for group in gpio i2c spi dialout; do
    if grep -q "^$group:" /etc/group; then usermod -a -G $group $user; fi
  done
}

make_folders() {
  mkdir -p "$prefix/runtime" "$prefix/bin" "$prefix/download"
  # Not even listed by others: what lies there is the device's identity.
  if [ ! -d "$home" ]; then
    mkdir -p "$(dirname "$home")"
    mkdir -m 700 "$home"
    if [ $for_system = yes ]; then chown $user: "$home"; fi
  fi
}

# fetch DIGEST BYTES WHAT: into download/DIGEST, going on where an earlier run was cut off.
fetch() {
  file=$prefix/download/$1
  if is_digest "$file" "$1"; then return 0; fi
  # More than it should have, or all of it and not the right bytes: no use to go on from there.
  if [ -f "$file" ] && [ "$(wc -c <"$file")" -ge "$2" ]; then rm -f "$file"; fi
  say "fetching $3, $(($2 / 1024)) KB"
  # -k: the digest says whether it is right, whoever sent it. He may also send without an end, which curl alone does not notice before version 8.4.
  (
    ulimit -f $(($2 / 512 + 1))
    curl -fsSk --proto '=https' --connect-timeout 20 --speed-limit 100 --speed-time 60 --retry 8 --retry-max-time 900 --max-filesize "$2" -C - -o "$file" "$gateway/install/file/$1" </dev/null
  ) ||
    fail "$3 could not be fetched from $gateway." 'Run the same line again: it goes on from what has arrived.'
  if ! is_digest "$file" "$1"; then
    rm -f "$file"
    fail "$3 is not what this installer pins; it is deleted, and nothing of it was run." 'Someone on the way changed it, or the transfer broke: run the same line again.'
  fi
}

install_runtime() {
  if ! is_digest "$prefix/runtime/$node/bin/node" "$node"; then
    fetch "$node_file" "$node_file_bytes" "Node for $arch"
    new=$prefix/runtime/.new
    rm -rf "$new" "${prefix:?}/runtime/$node"
    mkdir -p "$new/bin"
    gzip -dc <"$prefix/download/$node_file" | head -c "$node_bytes" >"$new/bin/node"
    is_digest "$new/bin/node" "$node" || fail 'The unpacked Node is not what this installer pins.' "Is the disk full? See: df $prefix"
    chmod 755 "$new/bin/node"
    version=$("$new/bin/node" --version 2>&1 </dev/null) || fail 'Node does not run on this system:' "$version" \
      'It needs glibc 2.28 or newer and libstdc++ (Debian 10 or newer; apt-get install libstdc++6).'
    sync
    mv "$new" "$prefix/runtime/$node"
    say "Node $version is in place"
  fi
  if [ "$(readlink "$prefix/runtime/current" 2>/dev/null)" != "$node" ]; then
    rm -f "$prefix/runtime/current.new"
    ln -s "$node" "$prefix/runtime/current.new"
    mv -fT "$prefix/runtime/current.new" "$prefix/runtime/current"
  fi
}

# As the agent's own user: root follows no link that the agent might have laid into its folder.
# shellcheck disable=SC2016
unpack_agent='
set -eu
umask 077
cd "$1"
mkdir -p agent/slots
rm -rf agent/slots/.new
mkdir agent/slots/.new
tar -xf - -C agent/slots/.new
chmod -R u=rwX,go= agent/slots/.new
if [ -d "agent/slots/$2" ] && diff -r "agent/slots/.new" "agent/slots/$2" >/dev/null 2>&1; then
  rm -rf agent/slots/.new
else
  rm -rf "agent/slots/$2"
  sync
  mv agent/slots/.new "agent/slots/$2"
fi
if [ "$(cat agent/current 2>/dev/null)" != "$2" ]; then
  rm -f agent/trial agent/reverted
  if [ -f agent/current ]; then cp agent/current agent/previous; fi
  echo "$2" >agent/current.new
  sync
  mv -f agent/current.new agent/current
fi
'

install_agent() {
  fetch "$agent" "$agent_bytes" 'the agent'
  as_user sh -c "$unpack_agent" unpack "$home" "$agent" <"$prefix/download/$agent"
  say 'the agent is in place'
}

install_programs() {
  place "$prefix/bin/hypha-agent-start" 755 <<'HYPHA_LAUNCHER'
@LAUNCHER@
HYPHA_LAUNCHER
  place "$prefix/bin/hypha-agent" 755 <<HYPHA_COMMAND
#!/bin/sh
# The agent's command line, as the user that the agent runs as: root reads nothing that this user has written, which may be a link to anywhere.
prefix='$prefix'
if [ $for_system = yes ] && [ "\$(id -u)" = 0 ]; then exec $(drop_to_user) "\$prefix/bin/hypha-agent" "\$@"; fi
export HYPHA_AGENT_HOME='$home'
slot=\$HYPHA_AGENT_HOME/agent/slots/\$(cat "\$HYPHA_AGENT_HOME/agent/current") || exit 1
set -- "\$prefix/runtime/current/bin/node" "\$slot/main.js" "\$@"
exec "\$@"
HYPHA_COMMAND
  place "$prefix/bin/hypha-agent-uninstall" 755 <<HYPHA_UNINSTALL
#!/bin/sh
# Removes the agent's program; with --purge also the device's keys, data and user.
exec sh '$prefix/bin/install.sh'$([ $for_system = yes ] || printf " --prefix '%s'" "$prefix") --uninstall "\$@"
HYPHA_UNINSTALL
  if [ "$(readlink -f "$0")" != "$(readlink -f "$prefix/bin/install.sh")" ]; then place "$prefix/bin/install.sh" 755 <"$0"; fi
  if [ $for_system = yes ] && [ ! -e $command_link ]; then ln -s "$prefix/bin/hypha-agent" $command_link; fi
}

join_fleet() {
  if as_user test -f "$home/identity"; then
    say 'this device has joined before and keeps its identity'
    return 0
  fi
  [ -n "$url" ] || fail 'This device has not joined a fleet yet: give the join URL that hypha invite printed.'
  as_user "$prefix/bin/hypha-agent" join "$url" </dev/null >/dev/null ||
    fail 'Everything is installed, but the device could not join.' 'When that is mended, run the same line again.'
  say 'the device has joined'
}

start_agent() {
  start="$prefix/bin/hypha-agent-start $prefix/runtime/current/bin/node $home"
  if [ $for_system = no ]; then
    say "start it with: $start"
    return 0
  fi
  if [ -d /etc/systemd/system ]; then
    place $unit 644 <<'HYPHA_UNIT'
@UNIT@
HYPHA_UNIT
  fi
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl enable --quiet hypha-agent
    systemctl restart hypha-agent
    say 'the agent runs; see: systemctl status hypha-agent'
  else
    say "no systemd runs here; start it with: $(drop_to_user) $start"
  fi
}

install() {
  check_machine
  if [ -z "$url" ] && [ ! -e "$home" ]; then fail 'Give the join URL that hypha invite printed, in quotes.'; fi
  if ! is_digest "$prefix/runtime/$node/bin/node" "$node"; then need_space "$prefix" $((node_bytes + node_file_bytes)); fi
  need_space "$home" $((agent_bytes * 4 + 16777216))
  make_user
  make_folders
  install_runtime
  install_agent
  install_programs
  join_fleet
  start_agent
  # Runtimes of earlier versions: the one that runs keeps its file open until it ends.
  for each_runtime in "$prefix"/runtime/*/; do
    case $each_runtime in */"$node"/) ;; *) remove_files "$each_runtime" ;; esac
  done
  remove_files "$prefix"/download/*
  rmdir "$prefix/download" 2>/dev/null || true
}

delete_user() {
  if command -v userdel >/dev/null; then userdel $user; else deluser $user; fi 2>/dev/null
}

uninstall() {
  if [ $for_system = yes ]; then
    [ "$(id -u)" = 0 ] || fail 'Uninstalling needs root: run it with sudo.'
    if [ -d /run/systemd/system ] && [ -f $unit ]; then systemctl disable --quiet --now hypha-agent; fi
    rm -f $unit
    if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
    if [ "$(readlink $command_link 2>/dev/null)" = "$prefix/bin/hypha-agent" ]; then rm -f $command_link; fi
  fi
  remove_files "$prefix"/runtime/* "$prefix"/download/*
  rm -rf "$prefix/runtime/.new"
  rm -f "$prefix/runtime/current" "$prefix/runtime/current.new"
  for each in hypha-agent hypha-agent-start hypha-agent-uninstall install.sh; do
    rm -f "$prefix/bin/$each" "$prefix/bin/$each.new"
  done
  for each in runtime bin download; do rmdir "$prefix/$each" 2>/dev/null || true; done
  say 'the program is removed'
  if [ $purge = yes ]; then
    # A folder of this name in which no agent ever lay is somebody else's.
    if [ $for_system = yes ] || [ -d "$home/agent" ]; then rm -rf "$home"; fi
    if [ $for_system = yes ] && id $user >/dev/null 2>&1; then
      # What the agent had beside it may need a moment to end.
      tries=10
      until delete_user; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "The user $user can't be removed: something still runs as it." "End it, and run this again."
        sleep 1
      done
    fi
    say 'the keys and the data of this device are deleted; on the gateway: hypha node rm NAME'
  elif [ -e "$home" ]; then
    say "the keys and the data stay in $home; --purge deletes them"
  fi
  rmdir "$prefix" 2>/dev/null || true
}

# Called on the last line, so that a script that was cut off does nothing.
main() {
  read_arguments "$@"
  $action
}
main "$@"
