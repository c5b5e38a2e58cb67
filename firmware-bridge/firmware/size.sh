#!/bin/sh
# Flash and RAM of an image by part, by the byte: size.sh MAP ELF FLASHED PREFIX, of a firmware in its slot, and of all that is flashed. From the linker's map; what was compiled
# as one program has no file there, but an address, of which the debugger's tables know the file. What is called once counts where it is
# called; texts and tables of constants are those of all parts.
set -eu
map=$1 elf=$2 flashed=$3 prefix=$4
"${prefix}nm" -S -l "$elf" | awk '
  /^Linker script and memory map/ { map = 1 }
  # "address size type name	file:line"
  NF >= 5 && !map { file = $5; sub(/\/[^\/]*$/, "", file); sub(/.*\//, "", file); if ($5 ~ /\/(main|image)\.c:/) file = "main"; at[$1] = file; next }
  # A section of the output begins at the first column.
  /^\.[a-z]/ { output = $1 }
  # " .text.name  0xaddress 0xsize file", or the last three on a line of their own.
  /^ \.[A-Za-z]/ { name = $1; if (NF == 1) next; address = $2; size = $3; file = $4 }
  /^ +0x[0-9a-f]+ +0x[0-9a-f]+ [^ ]*\.(o|a)/ { address = $1; size = $2; file = $3 }
  /^ \.[A-Za-z].*\.o\)?$/ || /^ +0x[0-9a-f]+ +0x[0-9a-f]+ [^ ]*\.(o|a)/ {
    bytes = 0
    digits = substr(size, 3)
    for (i = 1; i <= length(digits); i++) bytes = bytes * 16 + index("0123456789abcdef", substr(digits, i, 1)) - 1
    part = file
    if (file ~ /libgcc/) part = "libgcc"
    else if (file ~ /ltrans/) {
      part = at[substr(address, length(address) - 7)]
      if (part == "") { part = "boards"; if (output == ".text") part = "texts"; if (name ~ /^\.bss\.all/) part = "main" }
    }
    else { sub(/\/[^\/]*$/, "", part); sub(/.*\//, "", part); if (file ~ /\/(main|image)\.o$/) part = "main"; if (part == "boot") part = "update" }
    if (output == ".text") flash[part] += bytes
    if (output == ".data") { flash[part] += bytes; ram[part] += bytes }
    if (output == ".bss") ram[part] += bytes
    if (output ~ /^\.(text|data|bss)$/) seen[part] = 1
  }
  END {
    for (part in seen) {
      printf "%-10s %8d %8d\n", part, flash[part], ram[part]
    }
  }
' - "$map" | sort > "$map.parts"
printf '%-10s %8s %8s\n' part flash RAM
cat "$map.parts"
boot=$("${prefix}size" -A "$flashed" | awk '$1 == ".boot" { print $2 }')
printf '%-10s %8d %8d   (beside the slots)\n' boot "$boot" 0
"${prefix}size" "$elf" | awk 'NR == 2 { printf "%-10s %8d %8d   (RAM with the stack)\n", "all", $1 + $2 + boot, $2 + $3 }' boot="$boot"
