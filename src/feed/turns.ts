import { sharedQuota } from '../base/http-quota.ts'
import type { UrlContext } from './description.ts'

/**
 * An address, given when a connection to it has its turn: for a venue that counts the attempts of whoever is behind one
 * address of the network, and bans those who make too many. `burst` of them may go at once, and no more than `perMinute` in
 * any minute; all who share a clock count together.
 */
export function inTurn(url: string, perMinute: number, burst: number) {
  return async ({ clock, signal }: UrlContext): Promise<string> => {
    await sharedQuota(clock, `connections to ${url}`, perMinute, burst / perMinute).turn(signal)
    return url
  }
}
