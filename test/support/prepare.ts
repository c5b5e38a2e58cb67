import { execFileSync, spawnSync } from 'node:child_process'

// The tests talk to programs that nobody here wrote. This installs those that the machine lacks.
const programs: Readonly<Record<string, string>> = {
  mosquitto: 'mosquitto',
  mosquitto_sub: 'mosquitto-clients',
  mosquitto_pub: 'mosquitto-clients',
  openssl: 'openssl',
  faketime: 'faketime',
  curl: 'curl',
  debootstrap: 'debootstrap',
  nsenter: 'util-linux',
  ip: 'iproute2',
  shellcheck: 'shellcheck',
  'systemd-analyze': 'systemd',
  gcc: 'gcc libc6-dev',
  make: 'make',
  'arm-none-eabi-gcc': 'gcc-arm-none-eabi',
  wast2json: 'wabt',
  'wasm-opt': 'binaryen',
  'qemu-system-arm': 'qemu-system-arm',
}

const isInstalled = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0

const packages = [...new Set(Object.entries(programs).flatMap(([name, pkg]) => (isInstalled(name) ? [] : [pkg])))]
if (packages.length > 0) {
  const install = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`
  if (process.getuid?.() !== 0 || !isInstalled('apt-get')) {
    console.error(`The tests need ${packages.join(', ')}. Install with:\n\n    sudo sh -c '${install}'\n`)
    process.exit(1)
  }
  console.log(`Installing ${packages.join(', ')} for the tests`)
  execFileSync('sh', ['-c', install], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
}
