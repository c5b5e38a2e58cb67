import { isIPv6 } from 'node:net'

const mappedIpv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/**
 * By what limits for addresses count: an IPv4 address as it is, also where a socket for both kinds shows it mapped; of an IPv6 address the first 64 bits, which is
 * what one subscriber has at least (RFC 6177).
 */
export function addressGroup(address: string | undefined): string {
  if (address === undefined) return '?'
  const mapped = mappedIpv4.exec(address)
  if (mapped) return mapped[1]!
  if (!isIPv6(address)) return address
  // The zone of a link-local address names an interface of this machine.
  const [head = '', tail] = address.replace(/%.*$/, '').split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0')
  const groups = [...left, ...zeros, ...right].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${groups.join(':')}::/64`
}
